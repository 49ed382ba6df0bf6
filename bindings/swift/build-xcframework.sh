#!/usr/bin/env bash
# Makes KeepsakeFFI.xcframework, the library for iOS, its simulator and macOS, in this folder. Needs macOS with Xcode,
# CMake and Rust.
set -euo pipefail
[ "$(uname)" = Darwin ] || { echo "build-xcframework.sh: this needs macOS with Xcode" >&2; exit 1; }
cd "$(dirname "$0")"
export IPHONEOS_DEPLOYMENT_TARGET=16.0 MACOSX_DEPLOYMENT_TARGET=13.0  # as in Package.swift
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../../target}
library() { echo "$CARGO_TARGET_DIR/$1/release/libkeepsake_ffi.a"; }

targets=(aarch64-apple-ios aarch64-apple-ios-sim aarch64-apple-darwin x86_64-apple-darwin)
(cd ../.. && rustup target add "${targets[@]}")
for target in "${targets[@]}"; do
  cargo rustc --release --locked --manifest-path ../../ffi/Cargo.toml --lib --crate-type staticlib --target "$target"
done

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
lipo -create "$(library aarch64-apple-darwin)" "$(library x86_64-apple-darwin)" -output "$made/libkeepsake_ffi.a"
# A folder of its own: Xcode puts the headers of all frameworks of an app into one.
mkdir -p "$made/headers/KeepsakeFFI"
cp Sources/KeepsakeBinding/KeepsakeFFI.h "$made/headers/KeepsakeFFI/"
cp Sources/KeepsakeBinding/KeepsakeFFI.modulemap "$made/headers/KeepsakeFFI/module.modulemap"
rm -rf KeepsakeFFI.xcframework
xcodebuild -create-xcframework \
  -library "$(library aarch64-apple-ios)" -headers "$made/headers" \
  -library "$(library aarch64-apple-ios-sim)" -headers "$made/headers" \
  -library "$made/libkeepsake_ffi.a" -headers "$made/headers" \
  -output KeepsakeFFI.xcframework
