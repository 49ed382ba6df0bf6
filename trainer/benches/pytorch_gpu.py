"""What the trainer is measured beside on a GPU: PyTorch with transformers and PEFT, as GRPO trainers use them.

A base of random weights in bfloat16, rank 16 on all seven linears, fused attention; prompts are computed once for each
reply. Prints one line of JSON for each line it reads: `train|generate prompt reply sequences batch`, tokens and counts.
"""

import json
import subprocess
import sys
import time

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from pytorch import LINEARS, step


def model_of(shape):
    kind = {"llama": transformers.LlamaConfig, "qwen2": transformers.Qwen2Config}[shape["architecture"]]
    config = kind(
        vocab_size=shape["vocabulary"],
        hidden_size=shape["width"],
        intermediate_size=shape["hidden"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv_heads"],
        max_position_embeddings=shape["context"],
        tie_word_embeddings=shape["tied"],
        attn_implementation="sdpa",
    )
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        base = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    torch.set_default_dtype(torch.float32)
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=LINEARS, task_type="CAUSAL_LM")
    return get_peft_model(base, lora).cuda()


def generate(model, tokens, reply):
    model.eval()
    with torch.no_grad():
        model.generate(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            do_sample=True,
            max_new_tokens=reply,
            min_new_tokens=reply,
            pad_token_id=0,
        )
    model.train()


def used():
    """Bytes of the GPU that are taken, caches included, as its driver says."""
    line = subprocess.run(
        ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"], capture_output=True, text=True
    ).stdout.split()
    return int(line[0]) << 20 if line else 0


def main():
    torch.manual_seed(1)
    model = model_of(json.loads(sys.argv[1]))
    about = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    print(json.dumps(about | {"gpu": torch.cuda.get_device_name(), "recomputes": False}), flush=True)
    recomputes = False
    for line in sys.stdin:
        what, *numbers = line.split()
        prompt, reply, sequences, batch = map(int, numbers)
        tokens = torch.randint(1000, 40000, (sequences, prompt + (reply if what == "train" else 0)), device="cuda")
        while True:
            torch.cuda.synchronize()
            started = time.perf_counter()
            try:
                with torch.autocast("cuda", dtype=torch.bfloat16):
                    generate(model, tokens, reply) if what == "generate" else step(model, tokens, reply, batch)
                break
            except torch.OutOfMemoryError:
                if recomputes:
                    raise
            # What does not fit is computed twice.
            recomputes = True
            model.zero_grad(set_to_none=True)
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            torch.cuda.empty_cache()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "used_bytes": used(), "recomputes": recomputes}), flush=True)


if __name__ == "__main__":
    main()
