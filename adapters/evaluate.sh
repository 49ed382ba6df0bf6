#!/usr/bin/env bash
# Measures the adapters that ship beside the base alone, in the device's engine: operations and answers on stories of wordings
# never trained on and of trained ones. Usage: evaluate.sh <keepsake-trainer> <model.gguf> <folder>
set -euo pipefail
trainer=$1 model=$2 folder=$3
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$folder" && mkdir -p "$folder"

for role in manager answer; do
  for wordings in held trained; do
    settings=$folder/$role-$wordings.toml
    python3 - "$here/held/$role.toml" "$model" $wordings >"$settings" <<'PY'
import json, sys

text = open(sys.argv[1]).read().replace('"MODEL"', json.dumps(sys.argv[2]))
trained = sys.argv[3] == "trained"
print(text.replace("[world]", "[world]\nheld_wordings = false") if trained else text)
PY
    for with in base adapter; do
      # The base alone was trained on neither: one measurement of it is enough.
      [ $wordings-$with != trained-base ] || continue
      given=()
      [ $with = base ] || given=(--adapter "$here/$role.gguf")
      echo "== $role, $wordings wordings, $with"
      "$trainer" held --config "$settings" --on-device ${given[@]+"${given[@]}"} --lines "$folder/$role-$wordings-$with.jsonl" |
        tee "$folder/$role-$wordings-$with.tsv"
    done
  done
done

# By gold operation, and of questions those that nothing was told of.
python3 - "$folder" <<'PY'
import json, os, sys

def lines(name):
    with open(os.path.join(sys.argv[1], name + ".jsonl")) as file:
        return [json.loads(line) for line in file]

def share(name, some):
    some = list(some)
    print(f"{name:58} {sum(some) / max(len(some), 1):6.3f}  of {len(some)}")

for wordings in ("held", "trained"):
    for given in ("base", "adapter") if wordings == "held" else ("adapter",):
        turns = lines(f"manager-{wordings}-{given}")
        one = [turn for turn in turns if turn["facts"] == 1]
        for operation in ("Add", "Update", "Delete", "Noop"):
            gold = [turn for turn in one if turn["gold"].startswith(operation)]
            share(f"{wordings}, {given}: one fact, gold {operation.upper()}", (turn["right"] == 1 for turn in gold))
        acts = {act: [turn for turn in one if f"({act})" in turn["gold"]] for act in ("Extend", "Refine", "Change", "Repeat")}
        merged = acts["Extend"] + acts["Refine"]
        share(f"{wordings}, {given}: more of what is known, merged", (turn["right"] == 1 and turn["touched"] == 1 for turn in merged))
        share(f"{wordings}, {given}: said again, and nothing done", (turn["right"] == 1 for turn in acts["Repeat"]))
        share(f"{wordings}, {given}: changed, and the new is known", (turn["touched"] == 1 for turn in acts["Change"]))
        small_talk = [turn for turn in turns if turn["facts"] == 0]
        share(f"{wordings}, {given}: nothing told, nothing kept", (turn["said"] == "none" for turn in small_talk))
        asked = lines(f"answer-{wordings}-{given}")
        unknown = [one for one in asked if one["gold"] == "not known"]
        share(f"{wordings}, {given}: not known, and says so", (one["reward"] == 1 for one in unknown))
        known = [one for one in asked if one["gold"] != "not known"]
        share(f"{wordings}, {given}: known, and says that it is not", (one["said"] == "not known" for one in known))
PY
