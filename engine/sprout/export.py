"""Writes the checkpoint as an ordinary Hugging Face folder, and the picture of the loss.

The folder is written beside its place and then moved there, so a reader never finds half of it.
"""

import copy
import json
import shutil

import matplotlib
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)


def write(model, tokenizer, folder):
    """Saves bfloat16 weights, tokenizer and generation defaults into `folder`."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    model = copy.deepcopy(model).to(torch.bfloat16)
    settings = model.generation_config
    settings.do_sample, settings.temperature, settings.top_p = True, 0.7, 0.9
    settings.eos_token_id = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    settings.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(fresh)
    tokenizer.save_pretrained(fresh, save_jinja_files=False)
    amend(fresh / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    amend(fresh / "config.json", rope_theta=10000.0, torch_dtype="bfloat16")
    for file in fresh.iterdir():
        file.chmod(0o644)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def amend(path, **entries):
    """Adds the entries that older readers of such folders look for."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    for name in ("backend", "is_local", "local_files_only"):
        settings.pop(name, None)
    path.write_text(json.dumps({**settings, **entries}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def smooth(values, width=20):
    return [sum(values[max(0, at - width):at + 1]) / len(values[max(0, at - width):at + 1]) for at in range(len(values))]


def draw(curve, path):
    """Draws at most 400 points of the smoothed loss, which keeps the file small."""
    seen = [tokens / 1e6 for tokens, _ in curve]
    losses = smooth([loss for _, loss in curve])
    every = max(1, len(curve) // 400)
    figure, axes = plt.subplots(figsize=(6, 3))
    axes.plot(seen[::every], losses[::every], color="#3a7d44", linewidth=1.5)
    axes.set(xlabel="tokens seen (millions)", ylabel="loss per token", yscale="log", title="sprout: training loss")
    axes.grid(alpha=0.3, which="both")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
