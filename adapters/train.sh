#!/usr/bin/env bash
# Trains one of adapters/recipes as the shipped adapters were trained, on a GPU where there is one.
# Usage: train.sh <keepsake-trainer> <model.gguf> <data> <runs> <recipe>
# In <data> lie msc/ (persona summaries of Multi-Session Chat) and friendsqa/ (friendsqa_dev.json). A recipe that goes on with
# another finds it in <runs>: manager_sft, then manager_ppo or manager_grpo; answer_sft, then answer_grpo.
set -euo pipefail
trainer=$1 model=$2 data=$3 runs=$4 recipe=$5
here=$(cd "$(dirname "$0")" && pwd)
# The pair that these recipes begin with is the one that shipped before.
before=57f5dd9
mkdir -p "$runs/previous"
for role in manager answer; do
  git -C "$here" show $before:adapters/$role.gguf >"$runs/previous/$role.gguf"
done
python3 - "$here/recipes/$recipe.toml" "$model" "$data" "$runs" >"$runs/$recipe.toml" <<'PY'
import sys

recipe, model, data, runs = sys.argv[1:]
text = open(recipe).read().replace('"MODEL"', f'"{model}"')
print(text.replace("PREVIOUS/", f"{runs}/previous/").replace("DATA/", f"{data}/").replace("RUNS/", f"{runs}/"))
PY
exec "$trainer" train --config "$runs/$recipe.toml" --run "$runs/$recipe"
