"""Makes the golden numbers of `tests/golden.rs` with PyTorch, transformers and PEFT.

    KEEPSAKE_GOLDEN=/tmp/golden cargo test --release --workspace --test golden   (writes bases, adapters and trees)
    python trainer/tests/golden/make.py /tmp/golden trainer/tests/golden

For each architecture: log-probabilities of the trees' tokens among what each was chosen from, and the gradients of
`sum(weight * logprob)` by the LoRA, as a PEFT adapter file.
"""

import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from peft import PeftModel
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

KINDS = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}
PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}


def unpermuted(weight, heads):
    """Rows of Llama's queries and keys from neighbours (GGUF) to halves (Hugging Face)."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def load(path, arch):
    reader = GGUFReader(path)
    value = lambda key: reader.get_field(f"{arch}.{key}").contents()
    heads, shared = value("attention.head_count"), value("attention.head_count_kv")
    tensors = {tensor.name: torch.tensor(np.array(tensor.data)) for tensor in reader.tensors}
    config, model = KINDS[arch]
    config = config(
        hidden_size=value("embedding_length"),
        intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=shared,
        head_dim=value("attention.key_length"),
        vocab_size=tensors["token_embd.weight"].shape[0],
        max_position_embeddings=value("context_length"),
        rms_norm_eps=value("attention.layer_norm_rms_epsilon"),
        rope_theta=value("rope.freq_base"),
        tie_word_embeddings="output.weight" not in tensors,
    )
    state = {}
    for name, tensor in tensors.items():
        if name == "token_embd.weight":
            state["model.embed_tokens.weight"] = tensor
        elif name == "output_norm.weight":
            state["model.norm.weight"] = tensor
        elif name == "output.weight":
            state["lm_head.weight"] = tensor
        else:
            _, layer, part, kind = name.split(".")
            if arch == "llama" and part in ("attn_q", "attn_k"):
                tensor = unpermuted(tensor, heads if part == "attn_q" else shared)
            state[f"model.layers.{layer}.{PARTS[part]}.{kind}"] = tensor
    model = model(config).to(torch.float32)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    return model


def main():
    inputs, out = Path(sys.argv[1]), Path(sys.argv[2])
    trees = json.loads((inputs / "trees.json").read_text())
    for arch in KINDS:
        torch.manual_seed(0)
        model = PeftModel.from_pretrained(load(inputs / f"{arch}.gguf", arch), inputs / f"{arch}-peft", is_trainable=True)
        logprobs, loss, at = [], 0.0, 0
        for tree in trees:
            for tokens, choices in tree["branches"]:
                prompt = tree["prompt"]
                logits = model(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
                for row, (token, choice) in enumerate(zip(tokens, choices)):
                    if choice == "forced":
                        logprobs.append(0.0)
                    else:
                        among = logits[row] if choice == "any" else logits[row][torch.tensor(choice)]
                        logprob = logits[row][token] - torch.logsumexp(among, 0)
                        logprobs.append(logprob.item())
                        loss = loss + (math.sin(at * 0.7) + 0.2) * logprob
                    at += 1
        loss.backward()
        folder = out / arch
        folder.mkdir(exist_ok=True)
        gradients = {
            name.replace(".default", ""): parameter.grad.contiguous()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        save_file(gradients, folder / "adapter_model.safetensors")
        shutil.copy(inputs / f"{arch}-peft" / "adapter_config.json", folder)
        (folder / "logprobs.json").write_text(json.dumps(logprobs) + "\n")


main()
