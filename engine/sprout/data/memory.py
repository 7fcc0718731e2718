"""Small things a person says about themselves, and asks back later in the same conversation."""

from . import arithmetic, text
from .story import cast

COLOURS = "red blue green yellow black white orange purple pink brown grey".split()


def fact(rng):
    """Returns (told, acknowledged, asked, recalled)."""
    name = rng.choice(cast.NAMES_HE + cast.NAMES_SHE) if rng.random() < 0.7 else arithmetic.made_up_word(rng).capitalize()
    animal, colour, number = rng.choice(cast.ANIMALS), rng.choice(COLOURS), rng.randrange(1, 101)
    machine = rng.choice(["MacBook", "Mac mini", "Mac Studio", "iMac", "Linux box"])
    return rng.choice([
        (f"[My name is|I am|I'm|Hi, I am|Call me] {name}", f"Nice to meet you, {name}! I am sprout.",
         "[What is|What's|Do you know|Do you remember] my name?", f"Your name is {name}."),
        (f"I have a {animal} called {name}", f"{name} is a lovely name for {text.article(animal)}.",
         f"[What is my {animal} called|What is the name of my {animal}]?", f"Your {animal} is called {name}."),
        (f"My favourite colour is {colour}", f"{colour.capitalize()} is a nice colour.",
         "What is my favourite colour?", f"Your favourite colour is {colour}."),
        (f"Remember the number {number}", f"I will remember the number {number}.",
         "[What was the number|Which number was it|what number did I tell you]?", f"The number was {number}."),
        (f"I have {number} nodes", f"A cluster of {number} nodes, how nice!", "How many nodes do I have?", f"You have {number} nodes."),
        (f"I [use|have] {text.article(machine)}", f"Your {machine} can be a node of the cluster. Use pomona node --join with a token.",
         "[Which|What] machine do I [use|have]?", f"You have {text.article(machine)}."),
    ])


def sample(rng):
    """One fact, most often asked back; sometimes something else comes in between."""
    told, acknowledged, asked, recalled = fact(rng)
    turns = [(text.as_typed(text.expand(told, rng), rng, keep_words=True), acknowledged)]
    if rng.random() < 0.3:
        turns += arithmetic.sample(rng)
    if rng.random() < 0.8:
        turns.append((text.as_typed(text.expand(asked, rng), rng), recalled))
    return turns
