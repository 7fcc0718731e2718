"""Trains sprout from nothing: tokenizer, weights, loss curve and an ordinary Hugging Face folder.

The corpus comes fresh from the generators, so no sentence order is seen twice. The run is
ended by the clock, and the learning rate falls to zero with it, so that a shorter run is a
worse model but never a broken one.
"""

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
from transformers import AutoModelForCausalLM, AutoTokenizer

import batches
import corpus
import export
import network
import tokens

HERE = Path(__file__).parent
HELD_OUT_SEED = 7_000_000
SAVE_EVERY_S = 600
WARM_UP = 0.02
# One single-threaded process per core. Two threads in one process wait for each other in every
# matrix product, and on a busy machine that made the run seven times slower.
WORKERS = 2


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python train.py --minutes 2 --out checkpoint-quick   a first look\n"
               "  python train.py --minutes 58                          the whole recipe")
    parser.add_argument("--minutes", type=float, default=58, help="wall-clock length of the run (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=HERE / "model", help="folder of the checkpoint (default: model)")
    parser.add_argument("--seed", type=int, default=1, help="fixes the data and the first weights (default: %(default)s)")
    parser.add_argument("--start", type=Path, help="go on from this checkpoint with its tokenizer, instead of from nothing")
    parser.add_argument("--step-tokens", type=int, default=6144, help="tokens per optimiser step (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=6e-3, help="highest learning rate (default: %(default)s)")
    return parser.parse_args()


def documents(tokenizer, seed):
    """An endless row of encoded conversations."""
    for number in itertools.count():
        for messages in corpus.conversations(seed * 100_000 + number, 500):
            yield tokens.encode(tokenizer, messages)


def held_out_loss(model, tokenizer, count=150):
    """Mean loss per answer token on conversations with a seed of their own."""
    found = [tokens.encode(tokenizer, messages) for messages in corpus.conversations(HELD_OUT_SEED, count)]
    found = sorted(((ids, flags) for ids, flags in found if len(ids) <= tokens.CONTEXT), key=lambda document: len(document[0]))
    total = counted = 0
    with torch.no_grad():
        for start in range(0, len(found), 10):
            inputs, labels = batches.collate(found[start:start + 10], tokenizer.pad_token_id)
            total += float(network.loss_sum(model, inputs, labels))
            counted += int((labels[:, 1:] != batches.IGNORED).sum())
    return total / counted


def train_step(model, optimizers, group, rate):
    """One optimiser step over the batches of all workers; returns their mean loss."""
    total = torch.zeros(2)
    for inputs, labels in group:
        loss = network.loss_sum(model, inputs, labels)
        loss.backward()
        total += torch.tensor([float(loss.detach()), float((labels[:, 1:] != batches.IGNORED).sum())])
    gradient = torch.nn.utils.parameters_to_vector([weight.grad for weight in model.parameters()])
    message = torch.cat([gradient, total])
    dist.all_reduce(message)
    loss, counted = message[-2:].tolist()
    torch.nn.utils.vector_to_parameters(message[:-2] / counted, [weight.grad for weight in model.parameters()])
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for parameters in optimizer.param_groups:
            parameters["lr"] = rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    return loss / counted


def elapsed_since(began):
    """Seconds since the start by the clock of worker 0, the same number in every worker."""
    clock = torch.tensor([time.monotonic() - began], dtype=torch.float64)
    dist.broadcast(clock, 0)
    return float(clock)


def run(args, worker, model, tokenizer):
    """Trains until the time is up; returns the loss curve and the figures of the run."""
    optimizers = network.optimizers(model, args.rate)
    curve, seen, began, told, saved = [], 0, time.monotonic(), 0.0, 0.0
    groups = batches.steps(documents(tokenizer, args.seed * WORKERS + worker), args.step_tokens // WORKERS, tokenizer.pad_token_id)
    for step, group in enumerate(groups):
        elapsed = elapsed_since(began)
        progress = elapsed / (args.minutes * 60)
        if progress >= 1:
            break
        loss = train_step(model, optimizers, group, args.rate * min(1, progress / WARM_UP, (1 - progress) / (1 - WARM_UP)))
        seen += WORKERS * sum(int((inputs != tokenizer.pad_token_id).sum()) for inputs, _ in group)
        curve.append((seen, loss))
        if worker == 0 and elapsed - saved > SAVE_EVERY_S:
            saved = elapsed
            export.write(model, tokenizer, HERE / "checkpoint-latest")
        if worker == 0 and elapsed - told > 15:
            told = elapsed
            print(f"{elapsed / 60:5.1f} min  step {step:5d}  {seen / 1e6:6.2f} M tokens  {seen / elapsed:6.0f} tokens/s  loss {loss:.3f}", flush=True)
    recent = [loss for _, loss in curve[-50:]]
    return curve, {"steps": len(curve), "tokens": seen, "minutes": round((time.monotonic() - began) / 60, 1),
                   "train_loss": round(sum(recent) / len(recent), 4)}


def beginning(args):
    """A new tokenizer and random weights, or those of an earlier run."""
    if args.start:
        return AutoTokenizer.from_pretrained(args.start), AutoModelForCausalLM.from_pretrained(args.start).float()
    texts = (message["content"] for messages in corpus.conversations(args.seed, 20_000) for message in messages)
    tokenizer = tokens.train_tokenizer(texts)
    return tokenizer, network.build(tokenizer)


def work(worker, meeting_point, args):
    """The life of one worker: the same weights as the others, its own share of every batch."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting_point}", rank=worker, world_size=WORKERS)
    torch.manual_seed(args.seed)
    tokenizer, model = beginning(args)
    if worker == 0:
        print(f"sprout: {sum(weight.numel() for weight in model.parameters()) / 1e6:.2f} M parameters, {len(tokenizer)} token kinds", flush=True)
    curve, figures = run(args, worker, model, tokenizer)
    if worker == 0:
        figures["held_out_loss"] = round(held_out_loss(model, tokenizer), 4)
        export.write(model, tokenizer, args.out)
        export.draw(curve, args.out.parent / "loss.svg")
        print(json.dumps(figures), flush=True)


def main():
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(work, (f"{folder}/meet", args), nprocs=WORKERS)


if __name__ == "__main__":
    main()
