#!/usr/bin/env bash
# Runs the Swift tests. Usage: bindings/swift/test.sh FOLDER-OF-THE-LIBRARY [arguments of `swift test`]
#
# Where there is no Swift, on Debian and as root, it makes a Debian trixie with one in KEEPSAKE_SWIFT_ROOT, once (3 GB),
# and runs them there. What it mounts and starts is in namespaces of its own, which end with it, however it ends.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "test.sh: $*" >&2; exit 1; }
# There the package has the library in its XCFramework.
[ "$(uname)" = Linux ] || exec swift test --package-path "$here"

[ $# -ge 1 ] || fail "which folder has libkeepsake_ffi.so? (CARGO_TARGET_DIR/release after make build)"
[ -e "$1/libkeepsake_ffi.so" ] || fail "no libkeepsake_ffi.so in $1: run make build"
library=$(cd "$1" && pwd)
shift
models=${KEEPSAKE_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/keepsake}/models
root=${KEEPSAKE_SWIFT_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/keepsake-swift}
run=(swift test --disable-swift-testing --package-path "$here" -Xlinker "-L$library" -Xlinker -rpath -Xlinker "$library")

if command -v swift >/dev/null; then exec "${run[@]}" "$@"; fi

[ "$(id -u)" = 0 ] || fail "there is no swift on PATH; a Debian that has one can only be made by root"
[ -e "$models/SmolLM2-135M-Instruct.Q4_1.gguf" ] || fail "the default model is not in $models: run make setup"
if [ -z "${KEEPSAKE_SWIFT_INSIDE:-}" ]; then
  KEEPSAKE_SWIFT_INSIDE=1 unshare --mount --pid --fork --kill-child "$0" "$library" "$@" &
  trap 'kill -KILL $!' INT TERM HUP
  wait $!
  exit
fi

mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock -n 9 || { echo "Waiting for another run in $root"; flock 9; }

make_root() {
  local mirror part="$root.part"
  # The archive that this machine's own packages come from.
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed 's/#.*//' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -1 | tr -d ' ') || true
  [ -n "$mirror" ] || fail "no Debian archive in /etc/apt: install Swift 6 and put it on PATH"
  command -v debootstrap >/dev/null || {
    echo "Installing: debootstrap"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null; }
  echo "Making a Debian trixie with Swift in $root, once: some minutes"
  rm -rf --one-file-system "$part"
  debootstrap --variant=minbase --include=ca-certificates trixie "$part" "$mirror" >"$root.log" 2>&1 ||
    fail "debootstrap failed: see $root.log"
  mount -t proc proc "$part/proc"
  DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$part" sh -c 'apt-get update &&
    apt-get install -y --no-install-recommends swiftlang libc6-dev libstdc++-14-dev && apt-get clean' \
    >>"$root.log" 2>&1 || fail "Swift could not be installed: see $root.log"
  umount "$part/proc"
  mv -T "$part" "$root"
}

[ -L "$root/usr/bin/swift" ] || make_root

# Each folder stands there where it stands here: llama.cpp looks for its modules where the library was built.
mount -t proc proc "$root/proc"  # swiftc finds its own library through it
for folder in "$(dirname "$here")" "$library" "$models"; do
  mkdir -p "$root$folder"
  mount --bind -o ro "$folder" "$root$folder"
done
chroot "$root" env -i PATH=/usr/bin:/bin HOME=/tmp LC_ALL=C.UTF-8 KEEPSAKE_HOME="$(dirname "$models")" \
  "${run[@]}" --scratch-path /swift-build -Xswiftc -warnings-as-errors "$@"
