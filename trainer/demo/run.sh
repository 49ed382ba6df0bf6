#!/usr/bin/env bash
# Trains a small adapter on the default model, loads it in the device's engine, and says what it is worth on stories whose
# names, values and wordings it never saw. Usage: run.sh <keepsake-trainer> <model.gguf> <folder>
set -euo pipefail
trainer=$1 model=$2 folder=$3
settings=$folder/manager.toml
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$folder" && mkdir -p "$folder"
sed "s|\"MODEL\"|\"$model\"|" "$here/manager.toml" >"$settings"

say() { printf '\n== %s\n' "$*"; }
say "Before: the base alone, on the device's engine, on held-out turns"
"$trainer" held --config "$settings" --on-device | tee "$folder/before.tsv"
say "Training"
"$trainer" train --config "$settings" --run "$folder/run"
say "After: the same turns, with the adapter"
"$trainer" held --config "$settings" --on-device --adapter "$folder/run/manager.gguf" | tee "$folder/after.tsv"
say "Before and after"
join -t $'\t' "$folder/before.tsv" "$folder/after.tsv" | awk -F '\t' '{printf "%-28s %8s -> %8s\n", $1, $2, $3}'
