#!/usr/bin/env bash
# Builds the engine's library for Android, arm64-v8a and x86_64, into keepsake/src/main/jniLibs.
#
# Needs Rust, cmake, Android's NDK (r27 or later) and cargo-ndk. All code is built for API level 26 and for memory pages of
# 16 KB, which Android 15 may have. GGML_CPU_ARM_ARCH=armv8.2-a+dotprod makes llama.cpp faster on arm64, and then the
# library starts on processors that have it only.
set -euo pipefail
cd "$(dirname "$0")"

stop() { echo "build-native: $*" >&2; exit 1; }

command -v cargo >/dev/null || stop "Rust is missing: install it from https://rustup.rs, then run this again"
cargo ndk --version >/dev/null 2>&1 || stop "cargo-ndk is missing. Run: cargo install cargo-ndk"
ndk=${ANDROID_NDK_HOME:-${ANDROID_NDK_ROOT:-${ANDROID_NDK:-}}}
if [ -z "$ndk" ] && [ -d "${ANDROID_HOME:-/nowhere}/ndk" ]; then
  ndk=$ANDROID_HOME/ndk/$(ls "$ANDROID_HOME/ndk" | sort -V | tail -n 1)
fi
[ -f "$ndk/build/cmake/android.toolchain.cmake" ] ||
  stop "Android's NDK is missing. Install it with Android Studio's SDK manager and set ANDROID_NDK_HOME to its folder"
# cargo-ndk and llama.cpp's build script look for it under different names.
export ANDROID_NDK_HOME=$ndk ANDROID_NDK_ROOT=$ndk ANDROID_NDK=$ndk ANDROID_API_LEVEL=26
tools=$(echo "$ndk"/toolchains/llvm/prebuilt/*)
out=$PWD/keepsake/src/main/jniLibs

if command -v rustup >/dev/null; then rustup target add aarch64-linux-android x86_64-linux-android; fi

export RUSTFLAGS="${RUSTFLAGS:-} -Clink-arg=-Wl,-z,max-page-size=16384"
for pair in arm64-v8a:aarch64-linux-android x86_64:x86_64-linux-android; do
  abi=${pair%%:*} triple=${pair##*:}
  (cd .. && cargo ndk --target "$abi" --platform 26 --output-dir "$out" build --release --locked --package keepsake-ffi)
  built=$out/$abi/libkeepsake_ffi.so
  [ -f "$built" ] || stop "cargo-ndk left no $built"
  # llama.cpp is C++; the app must bring the standard library that it asks for.
  if "$tools/bin/llvm-readelf" --dynamic "$built" | grep -q 'NEEDED.*libc++_shared'; then
    cp "$tools/sysroot/usr/lib/$triple/libc++_shared.so" "$out/$abi/"
  fi
  for library in "$out/$abi"/*.so; do
    "$tools/bin/llvm-readelf" --program-headers --wide "$library" | awk '$1 == "LOAD" { print $NF }' | while read -r align; do
      [ $((align)) -ge 16384 ] || stop "$library is not built for pages of 16 KB"
    done
  done
done
ls -l "$out"/*/*.so
