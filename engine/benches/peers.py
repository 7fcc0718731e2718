"""The CPU backend beside llama.cpp: the same weights, the same threads, measured by turns in one run.

Writes GGUF files of random weights in the shape of Qwen3-0.6B (vocabulary 32000), one for each type of weights, and
measures each with `llama-cpp-python` in this process and with the example `decode_speed` in another: tokens per second
of decoding for 1, 8 and 32 sequences behind a short prompt, and of a prefill of 512 tokens. Prints medians and ratios.

Usage: python peers.py DECODE_SPEED FOLDER [--threads 2] [--rounds 3] [--types f32 bf16 q8_0 q4_k_m] [--json]
(needs gguf, numpy and llama-cpp-python; `cargo xtask bench --group engine-peers` sets all of it up)
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import time

import gguf
import llama_cpp
import numpy as np
from gguf import GGMLQuantizationType as Type

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD, INNER, VOCABULARY = 1024, 28, 16, 8, 128, 3072, 32000
BATCHES = [1, 8, 32]
PROMPT, STEPS, PREFILL = 16, 16, 512


def kind_of(name: str, layer: int, types: str) -> Type:
    """The type of a matrix; the mixture of Q4_K_M gives some more bits."""
    if types != "q4_k_m":
        return {"f32": Type.F32, "bf16": Type.BF16, "f16": Type.F16, "q8_0": Type.Q8_0}[types]
    eighth = LAYERS // 8
    has_more = layer < eighth or layer >= 7 * eighth or (layer - eighth) % 3 == 2
    if name == "token_embd" or (name in ("attn_v", "ffn_down") and has_more):
        return Type.Q6_K
    return Type.Q4_K


def matrix(rows: int, columns: int, kind: Type, draw: np.random.Generator) -> np.ndarray:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    if block < 256:
        weights = (0.03 * draw.standard_normal((rows, columns), dtype=np.float32)).astype(np.float32)
        return weights if kind == Type.F32 else gguf.quants.quantize(weights, kind)
    blocks = draw.integers(0, 256, (rows, columns // block, size), dtype=np.uint8)
    for at, step in {Type.Q4_K: [(0, 1.5e-4), (2, 1.1e-3)], Type.Q6_K: [(208, 2.5e-5)]}[kind]:
        blocks[:, :, at : at + 2] = np.float16(step).reshape(1).view(np.uint8)
    return blocks.reshape(rows, -1)


def write(path: pathlib.Path, types: str) -> None:
    if path.exists():
        return
    draw, unfinished = np.random.default_rng(7), path.with_suffix(".unfinished")
    writer = gguf.GGUFWriter(unfinished, "qwen3")
    writer.add_context_length(4096)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([f"t{index}" for index in range(VOCABULARY)])
    writer.add_token_types([1] * VOCABULARY)
    writer.add_token_merges(["t 1"])
    writer.add_eos_token_id(2)
    shapes = {
        "attn_q": (HEADS * HEAD, HIDDEN),
        "attn_k": (KV_HEADS * HEAD, HIDDEN),
        "attn_v": (KV_HEADS * HEAD, HIDDEN),
        "attn_output": (HIDDEN, HEADS * HEAD),
        "ffn_gate": (INNER, HIDDEN),
        "ffn_up": (INNER, HIDDEN),
        "ffn_down": (HIDDEN, INNER),
    }
    ones = lambda length: np.ones(length, dtype=np.float32)
    kind = kind_of("token_embd", 0, types)
    writer.add_tensor("token_embd.weight", matrix(VOCABULARY, HIDDEN, kind, draw), raw_dtype=kind)
    writer.add_tensor("output_norm.weight", ones(HIDDEN))
    # What the numbers are changes no speed, so layers share them.
    known = {}
    for layer in range(LAYERS):
        for name, length in {"attn_norm": HIDDEN, "ffn_norm": HIDDEN, "attn_q_norm": HEAD, "attn_k_norm": HEAD}.items():
            writer.add_tensor(f"blk.{layer}.{name}.weight", ones(length))
        for name, shape in shapes.items():
            kind = kind_of(name, layer, types)
            if (name, kind) not in known:
                known[name, kind] = matrix(*shape, kind, draw)
            writer.add_tensor(f"blk.{layer}.{name}.weight", known[name, kind], raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.rename(path)


class Peer:
    """llama.cpp with one model."""

    def __init__(self, path: pathlib.Path, threads: int):
        parameters = llama_cpp.llama_model_default_params()
        self.weights = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_seq_max, settings.kv_unified = 32 * 64 + PREFILL, 32, True
        settings.n_batch = settings.n_ubatch = PREFILL
        settings.n_threads = settings.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.weights, settings)
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.batch = llama_cpp.llama_batch_init(PREFILL, 0, 1)

    def close(self) -> None:
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.weights)

    def run(self, rows: list[tuple[int, int, int, bool]]) -> float:
        """Seconds for rows of (token, position, sequence, wants logits)."""
        self.batch.n_tokens = len(rows)
        for index, (token, position, sequence, wants) in enumerate(rows):
            self.batch.token[index], self.batch.pos[index] = token, position
            self.batch.n_seq_id[index], self.batch.seq_id[index][0] = 1, sequence
            self.batch.logits[index] = wants
        start = time.perf_counter()
        if llama_cpp.llama_decode(self.context, self.batch) != 0:
            raise RuntimeError("llama.cpp refused a batch")
        llama_cpp.llama_get_logits_ith(self.context, -1)
        return time.perf_counter() - start

    def measure(self) -> dict[str, float]:
        result = {}
        times = []
        for _ in range(3):
            llama_cpp.llama_memory_clear(self.memory, True)
            times.append(self.run([(i * 7 % VOCABULARY, i, 0, i == PREFILL - 1) for i in range(PREFILL)]))
        result["prefill"] = PREFILL / statistics.median(times)
        for batch in BATCHES:
            llama_cpp.llama_memory_clear(self.memory, True)
            for sequence in range(batch):
                self.run([(i * 5, i, sequence, i == PROMPT - 1) for i in range(PROMPT)])
            times = [
                self.run([(step * 11 % VOCABULARY, PROMPT + step, sequence, True) for sequence in range(batch)])
                for step in range(STEPS)
            ]
            result[f"decode {batch}"] = batch / statistics.median(times)
        return result


def measure_own(program: str, path: pathlib.Path, threads: int) -> dict[str, float]:
    arguments = [program, "--model", str(path), "--threads", str(threads), "--json"]
    arguments += ["--prompt", str(PROMPT), "--steps", str(STEPS), "--no-bandwidth"]
    report = json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
    result = {f"decode {decode['sequences']}": decode["tokens_per_s"] for decode in report["decode"]}
    return dict(result, prefill=report["prefill_tokens_per_s"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--types", nargs="+", default=["f32", "bf16", "q8_0", "q4_k_m"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    llama_cpp.llama_backend_init()
    report = []
    for types in arguments.types:
        path = arguments.folder / f"{types}.gguf"
        write(path, types)
        own, peer = [], []
        for _ in range(arguments.rounds):
            other = Peer(path, arguments.threads)
            peer.append(other.measure())
            other.close()
            own.append(measure_own(arguments.program, path, arguments.threads))
        for what in ["decode 1", "decode 8", "decode 32", "prefill"]:
            ours, theirs = (statistics.median(run[what] for run in runs) for runs in (own, peer))
            ratio = statistics.median(a[what] / b[what] for a, b in zip(own, peer))
            report.append(dict(types=types, what=what, ours=ours, llama_cpp=theirs, ratio=ratio))
    if arguments.json:
        print(json.dumps(report))
        return
    print("| weights | measured | tokens/s | llama.cpp | ratio |\n| --- | --- | --- | --- | --- |")
    for row in report:
        print(f"| {row['types']} | {row['what']} | {row['ours']:.1f} | {row['llama_cpp']:.1f} | {row['ratio']:.2f} |")


if __name__ == "__main__":
    main()
