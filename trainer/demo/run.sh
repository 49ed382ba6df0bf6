#!/usr/bin/env bash
# Trains a small adapter for the manager on the default model, loads it in the device's engine, and says what it is worth on
# stories whose names, values and wordings it never saw. Usage: run.sh <keepsake-trainer> <keepsake> <model.gguf> <folder>
set -euo pipefail
trainer=$1 keepsake=$2 model=$3 folder=$4
settings=$folder/manager.toml adapter=$folder/run/manager.gguf
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$folder" && mkdir -p "$folder"
sed "s|\"MODEL\"|\"$model\"|" "$here/manager.toml" >"$settings"

say() { printf '\n== %s\n' "$*"; }
# A few turns, remembered by the engine that ships; arguments behind the bank's name are its own.
remembered() {
  local bank=$folder/$1
  shift
  "$keepsake" --bank "$bank" --model "$model" --no-embedder "$@" ingest "$here/turns.jsonl"
  "$keepsake" --bank "$bank" list
}

say "Before: the model alone, in the device's engine, on held-out turns"
"$trainer" held --config "$settings" --on-device | tee "$folder/before.tsv"
say "Training on synthetic stories"
"$trainer" train --config "$settings" --run "$folder/run"
say "After: the same turns, with the adapter"
"$trainer" held --config "$settings" --on-device --adapter "$adapter" | tee "$folder/after.tsv"
say "Four turns in keepsake: the model alone"
remembered before
say "The same turns with --adapter-manager"
remembered after --adapter-manager "$adapter"
say "Before and after, on held-out stories"
words() {
  case $1 in
  reward/answers) echo "questions that the bank answers" ;;
  reward/answers_if_noop) echo "... if nothing were done" ;;
  reward/failed) echo "turns that failed" ;;
  operations/accuracy) echo "gold operations" ;;
  *) return 1 ;;
  esac
}
while IFS=$'\t' read -r name before after; do
  if what=$(words "$name"); then printf '%-34s %6s -> %6s\n' "$what" "$before" "$after"; fi
done < <(join -t $'\t' "$folder/before.tsv" "$folder/after.tsv")
