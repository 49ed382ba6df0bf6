#!/bin/bash
# Starts SkyRL's Tinker server (JAX on the processor, two Ray workers on this machine) with a tiny random model, runs the
# integration test against it, and stops it again.
#
#   trainer/tests/skyrl.sh FOLDER [COMMAND...]
#
# FOLDER takes the environment (about 10 GB: PyTorch with its CUDA libraries comes with SkyRL) and is kept for next time.
# COMMAND runs with KEEPSAKE_SKYRL_URL and KEEPSAKE_SKYRL_MODEL set; without one it is the test.
# KEEPSAKE_SKYRL_WORKERS=1 leaves Ray out. KEEPSAKE_SKYRL_PYTHON is a Python 3.12 or later, which SkyRL 0.3.0 needs.
set -euo pipefail

folder=$(realpath -m "${1:?a folder to install SkyRL into}")
shift
if [ $# -eq 0 ]; then
    set -- cargo test -p keepsake-trainer --test skyrl -- --nocapture
fi
workers=${KEEPSAKE_SKYRL_WORKERS:-2}
python=${KEEPSAKE_SKYRL_PYTHON:-python3.12}
mkdir -p "$folder/server"

# SkyRL's server starts its engine with `uv run --extra tinker --extra jax`, so that it has to run in a project of uv's.
if [ ! -x "$folder/tools/bin/uv" ]; then
    "$python" -m venv "$folder/tools"
    "$folder/tools/bin/pip" install --quiet uv
fi
export PATH="$folder/tools/bin:$PATH" UV_CACHE_DIR="$folder/cache"
cat > "$folder/server/pyproject.toml" <<'TOML'
[project]
name = "skyrl-server"
version = "0"
requires-python = ">=3.12"

[project.optional-dependencies]
tinker = ["skyrl[tinker]==0.3.0"]
jax = ["skyrl[jax,ray]==0.3.0"]

[tool.uv]
package = false
TOML
cd "$folder/server"
uv sync --quiet --extra tinker --extra jax --python "$python"

# 0.3.0 hands its Ray backend an argument that it does not take; mended upstream (NovaSky-AI/SkyRL, pull request 1932).
.venv/bin/python - <<'PYTHON'
import importlib.util, pathlib

path = pathlib.Path(importlib.util.find_spec("skyrl").submodule_search_locations[0], "backends", "ray_jax.py")
text = path.read_text()
old = "class RayJaxBackend(AbstractBackend)"
head, tail = text.split(old)
tail = tail.replace(
    "def create_model(self, model_id: str, lora_config: types.LoraConfig) -> None:",
    'def create_model(self, model_id: str, lora_config: types.LoraConfig, model_role: str = "policy") -> None:',
)
path.write_text(head + old + tail)
PYTHON

# Two layers, a byte for a token; the sizes are those that the test knows.
.venv/bin/python - "$folder/model" <<'PYTHON'
import sys
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

out = sys.argv[1]
tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
tokenizer = Tokenizer(models.BPE(vocab={token: at for at, token in enumerate(tokens)}, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=tokens[2], pad_token=tokens[0]).save_pretrained(out)
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=len(tokens), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
    pad_token_id=0, dtype="float32", initializer_range=0.2,
)
model = LlamaForCausalLM(config)
# The head is frozen: with small numbers no token could become certain.
model.lm_head.weight.data.mul_(4)
model.save_pretrained(out)
PYTHON

if [ "$workers" -gt 1 ]; then
    ray='"use_ray": true, "num_processes": '$workers', "fully_sharded_data_parallel_size": '$workers', '
fi
settings='{'${ray:-}'"max_lora_adapters": 5, "max_lora_rank": 8, "train_micro_batch_size": 8, "sample_max_num_sequences": 8}'
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
run=$(mktemp -d "$folder/run.XXXXXX")
export JAX_PLATFORMS=cpu OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
# Ray starts with the engine and ends with it; it need not take a third of the memory, nor tell anybody.
export RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES=100000000 RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 RAY_USAGE_STATS_ENABLED=0
unset RAY_ADDRESS
setsid uv run --no-sync -m skyrl.tinker.api --base-model "$folder/model" --backend jax --backend-config "$settings" \
    --database-url "sqlite:///$run/tinker.db" --checkpoints-base "$run/checkpoints" --host 127.0.0.1 --port "$port" \
    > "$run/log" 2>&1 &
server=$!
stop() {
    kill -TERM -- "-$server" 2> /dev/null || true
    for _ in $(seq 20); do
        kill -0 -- "-$server" 2> /dev/null || break
        sleep 1
    done
    kill -KILL -- "-$server" 2> /dev/null || true
    echo "the server's log: $run/log"
}
trap stop EXIT

url="http://127.0.0.1:$port"
for _ in $(seq 180); do
    kill -0 "$server" 2> /dev/null || { tail -20 "$run/log"; exit 1; }
    if curl --silent --fail --output /dev/null "$url/api/v1/healthz"; then
        break
    fi
    sleep 1
done
cd "$OLDPWD"
KEEPSAKE_SKYRL_URL="$url" KEEPSAKE_SKYRL_MODEL="$folder/model" "$@"
