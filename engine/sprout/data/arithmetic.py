"""Sums up to one hundred, counting, lists and repeats: answers that are right or wrong.

Numbers are written with spaces around the operator, and the tokenizer splits digits one
by one, so a small model sees columns rather than opaque number words.
"""

from . import text

WORDS = ("apple river stone window garden lantern cloud button silver paper orange little happy yellow morning music ladder bridge "
         "candle kitten forest pepper rabbit sunny winter basket copper velvet marble feather").split()
SYLLABLES = "ba be bo da do fa fi ga go ka ki la lo lu ma mi mo na no nu pa pi ra ri ro sa so su ta ti to va vi wa zo".split()
LISTS = [
    (["the days of the week", "all days of the week", "the seven days"],
     "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    (["the months", "the months of the year", "all twelve months"],
     "January, February, March, April, May, June, July, August, September, October, November, December"),
    (["the seasons", "the four seasons"], "spring, summer, autumn, winter"),
    (["the colours of the rainbow", "the rainbow colours"], "red, orange, yellow, green, blue, indigo, violet"),
    (["the letters of the alphabet", "the alphabet"], "a b c d e f g h i j k l m n o p q r s t u v w x y z"),
    (["the vowels"], "a, e, i, o, u"),
    (["some animals", "five animals"], "fox, owl, hare, bear, mouse"),
    (["some fruits", "five fruits"], "apple, pear, plum, cherry, quince"),
]


def sum_turn(rng):
    kind, limit = rng.random(), rng.choice([10, 20, 50, 100, 100])
    if kind < 0.45:
        a = rng.randrange(0, limit + 1)
        b = rng.randrange(0, limit + 1 - a)
        sign, word, result = "+", "plus", a + b
    elif kind < 0.75:
        a = rng.randrange(0, limit + 1)
        b = rng.randrange(0, a + 1)
        sign, word, result = "-", "minus", a - b
    else:
        a, b = rng.randrange(0, 11), rng.randrange(0, 11)
        sign, word, result = rng.choice(["*", "x", "×"]), "times", a * b
    plain = f"{a}{sign}{b}" if rng.random() < 0.3 else f"{a} {sign} {b}"
    asked = rng.choice([plain, f"{a} {word} {b}"])
    question = text.expand(rng.choice([
        "[What is|What's|How much is|Calculate|Compute|Tell me|What does] " + asked + "[?|]",
        asked + "[|?| =| = ?]",
        "Can you [calculate|work out|do] " + asked + "?",
    ]), rng)
    shown = f"{a} {'×' if word == 'times' else sign} {b} = {result}"
    answer = rng.choice([shown, shown + ".", f"{a} {word} {b} is {result}.", f"The answer is {result}, because {shown}."])
    return question, answer


def story_sum_turn(rng):
    a, b = rng.randrange(1, 51), rng.randrange(1, 50)
    thing = rng.choice(["apples", "pears", "Macs", "nodes", "books", "stones", "eggs", "tokens"])
    if rng.random() < 0.5:
        question = f"I have {a} {thing} and get {b} more. How many {thing} do I have?"
        return question, f"You have {a + b} {thing}, because {a} + {b} = {a + b}."
    a, b = max(a, b), min(a, b)
    question = f"I have {a} {thing} and give away {b}. How many {thing} are left?"
    return question, f"You have {a - b} {thing} left, because {a} - {b} = {a - b}."


def compare_turn(rng):
    a, b = rng.sample(range(101), 2)
    word = rng.choice(["bigger", "larger", "smaller"])
    best = min(a, b) if word == "smaller" else max(a, b)
    return f"Which is {word}, {a} or {b}?", f"{best} is {word}."


def count_turn(rng):
    last = rng.choice([3, 5, 5, 8, 10, 10, 10, 12, 15, 20, 20, 25, 30, 50, 100, rng.randrange(2, 31)])
    first = 1 if rng.random() < 0.8 else rng.randrange(1, last + 1)
    numbers = range(first, last + 1)
    if rng.random() < 0.2:
        question = text.expand(f"[Count|Please count] [backwards|down] from {last} to {first}", rng)
        numbers = reversed(numbers)
    else:
        start = f"from {first} to {last}" if first > 1 or rng.random() < 0.75 else f"to {last}"
        question = text.expand(f"[Count|Please count|Can you count|count] {start}[|.|?]", rng)
    return question, ", ".join(map(str, numbers)) + rng.choice([".", ""])


def list_turn(rng):
    names, answer = rng.choice(LISTS)
    question = text.expand("[List|Name|Tell me|Say|Write down|What are] ", rng) + " " + rng.choice(names)
    return question, answer[0].upper() + answer[1:] + "."


def made_up_word(rng):
    """A word nobody has seen, so that repeating means copying and not remembering."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randrange(2, 4)))


def repeat_turn(rng):
    words = [rng.choice(WORDS) if rng.random() < 0.6 else made_up_word(rng) for _ in range(rng.randrange(1, 9))]
    phrase = " ".join(words)
    question = text.expand("[Repeat|Say|Repeat after me|Please repeat|Please say|Echo]: ", rng) + " " + phrase
    if rng.random() < 0.2:
        times = rng.randrange(2, 6)
        word = words[0]
        return f"Say {word} {times} times", " ".join([word] * times)
    return question, phrase


def sample(rng):
    """Some turns of this family; sums and repeats are short, so several come in a row."""
    make = rng.choices([sum_turn, story_sum_turn, compare_turn, count_turn, list_turn, repeat_turn], [50, 6, 5, 9, 6, 24])[0]
    count = rng.choice([1, 1, 2, 4]) if make in (sum_turn, repeat_turn) else 1
    made = [make(rng) for _ in range(count)]
    return [(text.as_typed(question, rng, keep_words=True), answer) for question, answer in made]
