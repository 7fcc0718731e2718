"""Mixes the generators into conversations, the documents that sprout is trained on.

A conversation is a list of {"role", "content"} messages. It always starts a training
sequence, so the model learns conversations from their first token on.
"""

import random

from data import arithmetic
from data.story import sample as stories
from data.topics import Topics

SYSTEM = [
    "You are a helpful assistant.", "You are sprout, the built-in model of Pomona.", "You are a friendly assistant.", "Be helpful and kind.",
    "You are sprout.", "You are a helpful and honest assistant. Answer in English.", "Answer the user's questions.",
    "You are an assistant that runs on a cluster of Macs.", "You are a storyteller.", "Please answer as well as you can.",
]
CORE = Topics("core")
POMONA = Topics("pomona", "commands", "ideas")
SMALLTALK = Topics("smalltalk")
UNKNOWN = Topics("unknown")

# Shares are by conversations, not tokens: one story is as long as ten answers.
FAMILIES = [(CORE.sample, 18), (POMONA.sample, 17), (SMALLTALK.sample, 6), (UNKNOWN.sample, 6), (arithmetic.sample, 26), (stories.sample, 24)]


def turns(rng):
    """The turns of one conversation: often one family only, sometimes several after each other."""
    samplers, weights = zip(*FAMILIES)
    count = rng.choices([1, 2, 3], [60, 25, 15])[0]
    first = rng.choices(samplers, weights)[0]
    found = first(rng)
    if first == stories.sample and rng.random() < 0.9:
        return found
    while len(found) < count:
        again = first if rng.random() < 0.5 and first != stories.sample else rng.choices(samplers, weights)[0]
        found += again(rng)
    return found


def conversation(rng):
    """One training document."""
    messages = []
    if rng.random() < 0.3:
        messages.append({"role": "system", "content": rng.choice(SYSTEM)})
    for question, answer in turns(rng):
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer})
    return messages


def conversations(seed, count):
    """`count` conversations that depend on `seed` alone."""
    rng = random.Random(seed)
    for _ in range(count):
        yield conversation(rng)
