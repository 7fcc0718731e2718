"""What sprout reads: generators of conversations, all written for this project.

Each module has `sample(rng)`, which returns a list of (question, answer) turns.
`corpus.py`, one folder up, mixes them into conversations.
"""
