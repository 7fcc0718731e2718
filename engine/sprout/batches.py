"""Turns conversations into batches of about equal size.

Conversations of similar length share a batch, so little is padded and every one starts at
position 0 with nothing before it. A training step takes one batch from each length class,
otherwise short answers and long stories would pull the weights in turns.
"""

import torch

IGNORED = -100
LENGTH_CLASSES = (96, 256, 640, 2048)


def length_class(length):
    return next(index for index, limit in enumerate(LENGTH_CLASSES) if length <= limit)


def collate(documents, pad_id):
    """Pads on the right. The loss covers the answers alone."""
    width = max(len(ids) for ids, _ in documents)
    inputs = torch.full((len(documents), width), pad_id)
    labels = torch.full((len(documents), width), IGNORED)
    for row, (ids, is_answer) in enumerate(documents):
        inputs[row, :len(ids)] = torch.tensor(ids)
        labels[row, :len(ids)] = torch.tensor([token if flag else IGNORED for token, flag in zip(ids, is_answer)])
    return inputs, labels


def steps(documents, step_tokens, pad_id):
    """Yields lists of (inputs, labels); each list is one optimiser step of about `step_tokens` tokens."""
    waiting = [[] for _ in LENGTH_CLASSES]
    seen = 0
    for document in documents:
        ids, _ = document
        if len(ids) > LENGTH_CLASSES[-1]:
            continue
        waiting[length_class(len(ids))].append(document)
        seen += len(ids)
        if seen < step_tokens:
            continue
        yield [collate(group, pad_id) for group in waiting if group]
        waiting = [[] for _ in LENGTH_CLASSES]
        seen = 0
