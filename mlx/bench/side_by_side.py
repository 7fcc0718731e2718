"""Measures Pomona's MLX backend next to Python's `mlx-lm` on this machine: same weights, same questions, one run.

Makes a checkpoint of random weights (the shape of Qwen3-0.6B with 32,000 tokens), plain in f32 and in 4 bits with f32
scales, and serves each by `pomona up` and by `mlx_lm.server`. Both answer the same HTTP requests from the same client;
they take turns, so that noise of the machine meets both. Also measured: mlx-lm in its own process without a server.

On Linux MLX's wheel comes with a slow BLAS. `--blas LIBRARY` loads another into mlx-lm; the one that Pomona's build
made (`target/xtask/mlx/lib/libmlxc.so`) gives both the same. Without it mlx-lm is measured as it comes.

Usage: cargo xtask mlx-linux build --release --package pomona-node
       python mlx/bench/side_by_side.py --pomona target/release/pomona --blas target/xtask/mlx/lib/libmlxc.so
Needs mlx 0.32.2 and mlx-lm 0.32.2 (`pip install "mlx[cpu]==0.32.2" mlx-lm==0.32.2`) in the Python that runs it.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SHAPE = dict(
    model_type="qwen3",
    hidden_size=1024,
    num_hidden_layers=28,
    intermediate_size=3072,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=128,
    vocab_size=32000,
    max_position_embeddings=4096,
    rms_norm_eps=1e-6,
    rope_theta=1000000.0,
    tie_word_embeddings=True,
)
PROMPT_TOKENS = 32
PORTS = dict(pomona=18310, mlx=18311)


def make(folder: pathlib.Path, bits: int | None, layers: int) -> None:
    """Writes a checkpoint with a tokenizer of single bytes, so that prompts of any length can be made."""
    import mlx.core as mx
    import mlx.nn as nn
    from mlx.utils import tree_flatten, tree_map
    from mlx_lm.models import qwen3
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder.mkdir(parents=True)
    shape = dict(SHAPE, num_hidden_layers=layers)
    mx.random.seed(7)
    model = qwen3.Model(qwen3.ModelArgs.from_dict(shape))
    weights = [
        (path, mx.ones(weight.shape) if "norm" in path else 0.05 * mx.random.normal(weight.shape))
        for path, weight in tree_flatten(model.parameters())
    ]
    model.load_weights(weights)
    config = dict(shape, eos_token_id=31999)
    if bits:
        nn.quantize(model, group_size=64, bits=bits)
        config["quantization"] = dict(group_size=64, bits=bits)
    widened = tree_map(lambda x: x if x.dtype == mx.uint32 else x.astype(mx.float32), model.parameters())
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(widened)), metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(alphabet)}
    vocabulary |= {f"w{number}": number for number in range(len(alphabet), SHAPE["vocab_size"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(dict(tokenizer_class="PreTrainedTokenizerFast", eos_token="w31999"))
    )


class Server:
    """A process that answers `POST /v1/completions`."""

    def __init__(self, name: str, command: list[str], environment: dict, model: str, key: pathlib.Path | None = None):
        self.name, self.port, self.model, self.key = name, PORTS[name], model, key
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                self.ask("wake up", 2)
                return
            except (OSError, IndexError, KeyError, ValueError, http.client.HTTPException):
                time.sleep(0.5)
        self.log.seek(0)
        sys.exit(f"{name} does not answer:\n{self.log.read().decode(errors='replace')[-3000:]}")

    def ask(self, prompt: str, tokens: int) -> int:
        """Tokens of one answer."""
        body = dict(model=self.model, prompt=prompt, max_tokens=tokens, temperature=0)
        if self.name == "pomona":
            body["ignore_eos"] = True
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key.read_text().split()[0]}"
        connection.request("POST", "/v1/completions", json.dumps(body), headers)
        answer = json.loads(connection.getresponse().read())
        if "usage" not in answer:
            raise ValueError(f"{self.name} answered {json.dumps(answer)[:1000]}")
        return answer["usage"]["completion_tokens"]

    def speed(self, streams: int, tokens: int, salt: int) -> float:
        """Tokens per second of so many answers at once, their short prompts included. No prompt comes twice."""
        prompts = [f"{salt:04d} {stream:04d} ".ljust(PROMPT_TOKENS, "x") for stream in range(streams)]
        start = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(streams) as pool:
            total = sum(pool.map(lambda prompt: self.ask(prompt, tokens), prompts))
        return total / (time.perf_counter() - start)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def pomona(program: str, folder: pathlib.Path, home: pathlib.Path, environment: dict) -> Server:
    settings = {"model.path": folder, "model.name": "bench", "engine.backend": "mlx", "gateway.port": PORTS["pomona"]}
    command = [program, "up", "--no-open", *(word for item in settings.items() for word in ("--set", "%s=%s" % item))]
    home.mkdir()
    environment = dict(environment, POMONA_HOME=str(home), HOME=str(home))
    return Server("pomona", command, environment, "bench", home / "key")


def mlx_lm(folder: pathlib.Path, environment: dict) -> Server:
    command = [sys.executable, "-m", "mlx_lm.server", "--model", str(folder), "--port", str(PORTS["mlx"])]
    return Server("mlx", command, environment, str(folder))


IN_PROCESS = """
import sys, time, mlx.core as mx
from mlx_lm import load
from mlx_lm.generate import generate_step
model, tokenizer = load(sys.argv[1])
tokens = int(sys.argv[2])
times = []
for token, _ in generate_step(mx.array(tokenizer.encode("x" * 32)), model, max_tokens=tokens):
    times.append(time.perf_counter())
print((len(times) - 1) / (times[-1] - times[0]))
"""


def in_process(folder: pathlib.Path, tokens: int, environment: dict) -> float:
    command = [sys.executable, "-c", IN_PROCESS, str(folder), str(tokens)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"mlx-lm failed:\n{result.stderr[-3000:]}")
    return float(result.stdout.split()[-1])


def compare(kind: str, folder: pathlib.Path, options, scratch: pathlib.Path) -> None:
    ours = dict(os.environ, OPENBLAS_NUM_THREADS=str(options.threads))
    theirs = dict(ours)
    if options.blas:
        theirs["LD_PRELOAD"] = str(pathlib.Path(options.blas).resolve())
    servers = [pomona(options.pomona, folder, scratch / f"home-{kind}", ours), mlx_lm(folder, theirs)]
    speeds: dict = {}
    try:
        for server in servers:
            server.speed(1, 4, 0)
        for turn in range(1, options.rounds + 1):
            for streams in options.streams:
                for server in servers:
                    speed = server.speed(streams, options.tokens, 100 * turn + streams)
                    speeds.setdefault((server.name, streams), []).append(speed)
    finally:
        for server in servers:
            server.stop()
    alone = [in_process(folder, options.tokens, theirs) for _ in range(options.rounds)]
    for streams in options.streams:
        mine, other = (statistics.median(speeds[name, streams]) for name in ("pomona", "mlx"))
        spread = " ".join(f"{speed:.1f}" for speed in speeds["pomona", streams] + speeds["mlx", streams])
        print(f"| {kind}, {streams} streams | {mine:.1f} | {other:.1f} | {mine / other:.2f} | {spread} |", flush=True)
    print(f"| {kind}, mlx-lm in its own process, decode alone | | {statistics.median(alone):.1f} | | |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pomona", required=True, help="the program, built in release with the feature mlx")
    parser.add_argument("--blas", help="library with cblas_sgemm for mlx-lm")
    parser.add_argument("--kinds", nargs="+", default=["f32", "q4"], choices=["f32", "q4", "q8"])
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--tokens", type=int, default=48, help="tokens of each answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of BLAS on both sides")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        print("| | Pomona tok/s | mlx-lm tok/s | ratio | all runs |\n| --- | ---: | ---: | ---: | --- |", flush=True)
        for kind in options.kinds:
            folder = scratch / kind
            make(folder, dict(f32=None, q4=4, q8=8)[kind], options.layers)
            compare(kind, folder, options, scratch)


if __name__ == "__main__":
    main()
