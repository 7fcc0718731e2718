"""Sums up to twenty, counting and lists: few enough to be learnt by heart.

Numbers are written with spaces around the operator, and the tokenizer splits digits one
by one. Larger sums are declined, because a model of this size only guesses at them.
"""

from . import text

TOO_HARD = "That sum is too hard for me. I can add and take away up to twenty."
LISTS = [
    (["the days of the week", "all days of the week", "the seven days"],
     "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    (["the months", "the months of the year", "all twelve months"],
     "January, February, March, April, May, June, July, August, September, October, November, December"),
    (["the seasons", "the four seasons"], "spring, summer, autumn, winter"),
    (["the colours of the rainbow", "the rainbow colours"], "red, orange, yellow, green, blue, indigo, violet"),
    (["the letters of the alphabet", "the alphabet"], "a b c d e f g h i j k l m n o p q r s t u v w x y z"),
    (["some animals", "five animals"], "fox, owl, hare, bear, mouse"),
    (["some fruits", "five fruits"], "apple, pear, plum, cherry, quince"),
]


def asked(rng, a, sign, word, b):
    """A sum as somebody types it."""
    plain = f"{a}{sign}{b}" if rng.random() < 0.2 else f"{a} {sign} {b}"
    written = rng.choice([plain, plain, f"{a} {word} {b}"])
    return text.expand(rng.choice([
        "[What is|what is|What's|How much is|Calculate|Compute] " + written + "[?|]",
        written + "[|?| =]",
        "Can you [calculate|work out|do] " + written + "?",
    ]), rng)


def sum_turn(rng):
    """An easy sum and its answer."""
    limit = 10 if rng.random() < 0.65 else 20
    a = rng.randrange(0, limit + 1)
    if rng.random() < 0.65:
        b = rng.randrange(0, min(10, 20 - a) + 1 if limit == 10 else 21 - a)
        return asked(rng, a, "+", "plus", b), f"{a} + {b} = {a + b}"
    b = rng.randrange(0, a + 1)
    return asked(rng, a, "-", "minus", b), f"{a} - {b} = {a - b}"


def hard_sum_turn(rng):
    """A sum beyond twenty, a product or a quotient: declined."""
    a, b = rng.randrange(11, 100), rng.randrange(11, 100)
    sign, word = rng.choice([("+", "plus"), ("+", "plus"), ("-", "minus"), ("*", "times"), ("/", "divided by")])
    if sign in "+-":
        a += 10
    return asked(rng, a, sign, word, b), TOO_HARD


def count_turn(rng):
    last = rng.choice([5, 10, 10, 20])
    question = text.expand(f"[Count|Please count|Can you count|count] [from 1 to|from 1 to|to] {last}[|.|?]", rng)
    return question, ", ".join(map(str, range(1, last + 1))) + "."


def list_turn(rng):
    names, answer = rng.choice(LISTS)
    question = text.expand("[List|Name|Tell me|Say|Write down|What are] ", rng) + " " + rng.choice(names)
    return question, answer[0].upper() + answer[1:] + "."


def sample(rng):
    """Some turns of this family; sums are short, so several come in a row."""
    make = rng.choices([sum_turn, hard_sum_turn, count_turn, list_turn], [70, 14, 8, 8])[0]
    count = rng.choice([2, 3, 4]) if make is sum_turn else 1
    return [(text.as_typed(question, rng, keep_words=True), answer) for question, answer in (make(rng) for _ in range(count))]
