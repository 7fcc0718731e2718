"""The network: its shape, its optimisers and its loss.

Shape: Llama with 6 layers of width 256, 4 query heads and 2 key/value heads of 64, tied
embeddings. Widths are multiples of 32 and heads of 16, which is what our engine asks for.
"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from batches import IGNORED
from tokens import CONTEXT


def build(tokenizer):
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=256, intermediate_size=704, num_hidden_layers=6,
        num_attention_heads=4, num_key_value_heads=2, head_dim=64, max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=True, attention_bias=False, mlp_bias=False,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, initializer_range=0.02)
    return LlamaForCausalLM(config)


def optimizers(model, rate):
    """Muon for the matrices inside the layers, AdamW for embeddings and norms.

    On this corpus Muon needs clearly fewer tokens than AdamW alone for the same loss.
    """
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name]
    others = [weight for name, weight in model.named_parameters() if weight.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=rate, momentum=0.95, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def loss_sum(model, inputs, labels):
    """Summed cross entropy over the tokens that count; only their logits are computed."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.model(input_ids=inputs, use_cache=False).last_hidden_state[:, :-1]
        targets = labels[:, 1:]
        counted = targets != IGNORED
        logits = model.lm_head(hidden[counted])
    return torch.nn.functional.cross_entropy(logits.float(), targets[counted], reduction="sum")
