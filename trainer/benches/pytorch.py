"""The step that the trainer is measured beside: PyTorch with transformers and PEFT, as GRPO trainers use them.

Rank 16 on all seven linears of a frozen base in 32 bits, fused attention, forward and backward; logits of the trained
positions only. Prints one line of JSON for each line it reads: `prompt reply sequences batch`, tokens and counts.
"""

import json
import resource
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def step(model, tokens, reply, batch):
    """Forward and backward over all sequences, `batch` at a time: the mean log-probability of the replies' tokens."""
    for rows in tokens.split(batch):
        logits = model(input_ids=rows, logits_to_keep=reply + 1, use_cache=False).logits[:, :-1].float()
        logprobs = torch.gather(logits, 2, rows[:, -reply:].unsqueeze(2)).squeeze(2) - torch.logsumexp(logits, 2)
        (-logprobs.sum() / tokens.numel()).backward()
    model.zero_grad(set_to_none=True)


def main():
    folder, name, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32, attn_implementation="sdpa")
    config = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=LINEARS, task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    print(json.dumps({"torch": torch.__version__, "parameters": base.num_parameters()}), flush=True)
    for line in sys.stdin:
        prompt, reply, sequences, batch = map(int, line.split())
        tokens = torch.randint(1000, 40000, (sequences, prompt + reply))
        started = time.perf_counter()
        step(model, tokens, reply, batch)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "peak_bytes": peak}), flush=True)


if __name__ == "__main__":
    main()
