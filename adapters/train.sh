#!/usr/bin/env bash
# Trains one of adapters/recipes as the shipped adapters were trained, on a GPU where there is one.
# Usage: train.sh <keepsake-trainer> <model.gguf> <data> <runs> <recipe>
# In <data> lie msc/ (persona summaries of Multi-Session Chat) and friendsqa/ (friendsqa_dev.json; for answer_sft_wide and
# answer_grpo friendsqa_tst.json as well). A recipe that goes on with another finds it in <runs>: manager_sft, then manager_ppo
# or manager_grpo; answer_sft, then answer_parts; answer_sft_wide and manager_sft, then answer_grpo. manager_words stands alone.
set -euo pipefail
trainer=$1 model=$2 data=$3 runs=$4 recipe=$5
here=$(cd "$(dirname "$0")" && pwd)
# The pairs that recipes begin with are former ones, as they shipped: what is called PREVIOUS and MEANS there.
shipped() {
  mkdir -p "$runs/$1"
  for role in manager answer; do
    git -C "$here" show "$2:adapters/$role.gguf" >"$runs/$1/$role.gguf" || {
      echo "the adapters that shipped before are in the project's history: fetch it whole (git fetch --unshallow)" >&2
      exit 1
    }
  done
}
shipped previous 57f5dd93f05e5bef4bc9c9a6b03d590480dcdc9b
shipped means 21d2145a65f29b7871c4f4941a44cfa8da3e6207
python3 - "$here/recipes/$recipe.toml" "$model" "$data" "$runs" >"$runs/$recipe.toml" <<'PY'
import json, re, sys

recipe, model, data, runs = sys.argv[1:]
places = {"PREVIOUS": f"{runs}/previous", "MEANS": f"{runs}/means", "DATA": data, "RUNS": runs}

def put(found):
    name, rest = found[1], found[2] or ""
    return json.dumps(model if name == "MODEL" else places[name] + rest)

print(re.sub(r'"(MODEL|PREVIOUS|MEANS|DATA|RUNS)(/[^"]*)?"', put, open(recipe).read()))
PY
exec "$trainer" train --config "$runs/$recipe.toml" --run "$runs/$recipe"
