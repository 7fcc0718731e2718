"""Small text tools that every generator shares: alternatives, articles and human sloppiness.

They are pure functions of their arguments and the `random.Random` handed in, so a
seed fixes the whole corpus.
"""

import re

ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")
VOWELS = "aeiou"


def expand(template, rng):
    """Replaces each `[a|b|c]` by one of its parts; `[|x]` makes x optional."""
    while ALTERNATIVES.search(template):
        template = ALTERNATIVES.sub(lambda found: rng.choice(found.group(1).split("|")), template, count=1)
    return re.sub(r"  +", " ", template).strip()


def article(noun):
    """`fox` becomes `a fox`, `owl` becomes `an owl`."""
    return ("an " if noun[0].lower() in VOWELS else "a ") + noun


def capitalize(sentence):
    """Upper-cases the first letter only, also behind an opening quote."""
    for index, char in enumerate(sentence):
        if char.isalpha():
            return sentence[:index] + char.upper() + sentence[index + 1:]
        if char != '"':
            break
    return sentence


def typo(word, rng):
    """One slip of the finger: a letter dropped, doubled or swapped with its neighbour."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = rng.randrange(1, len(word) - 1)
    slip = rng.randrange(3)
    if slip == 0:
        return word[:at] + word[at + 1:]
    if slip == 1:
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2:]


def as_typed(question, rng, keep_words=False):
    """The question as a hurried person would type it: lower case, no full stop, a typo now and then.

    `keep_words` leaves the letters alone where the answer has to repeat them.
    """
    if rng.random() < 0.15 and not keep_words:
        words = question.split(" ")
        at = rng.randrange(len(words))
        words[at] = typo(words[at], rng)
        question = " ".join(words)
    if rng.random() < 0.35 and question[-1] in "?.!":
        question = question[:-1]
    if rng.random() < 0.35:
        question = question.lower() if not keep_words else question[0].lower() + question[1:]
    return question


POLITE_BEFORE = ["Please, ", "Hi, ", "Hello! ", "Can you help me? ", "Quick question: ", "Hey sprout, ", "Sorry, ", "One more thing: "]
POLITE_AFTER = [" Please.", " Thanks!", " Thank you.", " I am new here."]


def politely(question, rng):
    """Sometimes wraps a question into a greeting or a thank-you."""
    if rng.random() < 0.12:
        question = rng.choice(POLITE_BEFORE) + question
    if rng.random() < 0.05:
        question = question + ("" if question[-1] in "?.!" else ".") + rng.choice(POLITE_AFTER)
    return question
