#!/usr/bin/env bash
# Shows that the program starts on a processor without AVX (an emulated Nehalem of 2008), and which of llama.cpp's
# processor variants it loads there. Usage: tests/check-cpu.sh PATH-OF-KEEPSAKE
set -euo pipefail
command -v qemu-x86_64 >/dev/null || { echo "qemu-user is missing: apt-get install qemu-user"; exit 1; }
bank=$(mktemp -d)
trap 'rm -rf "$bank"' EXIT
"$1" --bank "$bank/bank" remember "I moved to Leeds." --speaker Tom --keep-only >/dev/null
log="$bank/calls"
qemu-x86_64 -cpu Nehalem -strace "$1" --bank "$bank/bank" --no-embedder ask "Where does Tom live?" 2>"$log" || {
  echo "it does not run there"; tail -5 "$log"; exit 1; }
variant=$(grep -oE 'libggml-cpu-[a-z0-9]+\.so' "$log" | tail -1)
echo "emulated Nehalem: loaded $variant"
[ "$variant" = libggml-cpu-sse42.so ] || { echo "expected libggml-cpu-sse42.so"; exit 1; }
