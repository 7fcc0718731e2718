"""Tells one story: picks a cast, a plot and obstacles, and fills the sentences in.

The order is always opening, want, obstacles, goal, home. In every paragraph the first mention
of a character is the full one ("Finn the fox"), which keeps a small model on the track.
"""

from dataclasses import dataclass

from .. import text
from . import cast, obstacles, plots, scenes

# How many obstacles a story of each length has; a long one runs to about 700 tokens.
OBSTACLE_COUNTS = {"short": (0, 0, 1), "normal": (1, 2), "long": (3, 3, 4)}


@dataclass
class Story:
    """A finished story and what one could ask about it."""

    text: str
    hero: cast.Being
    friend: cast.Being


def the(treasure):
    """`a red scarf` becomes `the red scarf`."""
    return "the " + treasure.split(" ", 1)[1]


def fill(paragraph, slots, full_names):
    """Fills one paragraph in; after the opening, characters are first named in full."""
    template = " ".join(paragraph)
    if full_names:
        template = template.replace("{name}", "{full}", 1).replace("{fname}", "{ffull}", 1)
    return ". ".join(text.capitalize(part) for part in template.format(**slots).split(". "))


def make_slots(hero, friend, plot):
    return {**hero.slots(), **friend.slots("f"), "home": hero.home, "place": plot["place"], "treasure": plot["treasure"],
            "the_treasure": the(plot["treasure"]), "far": plot["far"], "skill": plots.SKILL}


def one_obstacle(rng, obstacle, fails):
    parts = [rng.choice(obstacle["meet"])]
    parts += rng.sample(obstacle["fail"], fails)
    if fails and rng.random() < 0.4:
        parts.append(rng.choice(scenes.MOOD_BAD))
    parts += [rng.choice(obstacle["idea"]), rng.choice(obstacle["win"])]
    if rng.random() < 0.4:
        parts.append(rng.choice(scenes.MOOD_GOOD))
    return parts


def beginning(rng, plot, length):
    first = [rng.choice(scenes.OPENINGS)]
    if length != "short":
        first.append(rng.choice(scenes.HABITS))
    first.append(rng.choice(scenes.FRIEND_BEFORE))
    want = [rng.choice(plot["start"])]
    if length != "short":
        want.append(rng.choice(plot["why"]))
    want.append(rng.choice(plot["vow"]))
    if plot["id"] != "gift":
        want.append(rng.choice(scenes.FRIEND_JOINS))
    return [first, want]


def middle(rng, plot, length, met):
    travel = rng.sample(scenes.TRAVEL, len(scenes.TRAVEL))
    way = [rng.choice(plot["clue"])] + ([travel.pop()] if length != "short" else [])
    paragraphs = []
    for index, obstacle in enumerate(met):
        if index:
            way = [scenes.NEXT[index - 1], travel.pop()] if length == "long" else [scenes.NEXT[index - 1]]
        paragraphs.append(way + one_obstacle(rng, obstacle, {"short": 0, "normal": 1, "long": 1}[length]))
    return paragraphs or [way]


def ending(rng, plot, length):
    goal = [rng.choice(scenes.NEAR_GOAL)] if length != "short" else []
    goal.append(rng.choice(plot["goal"]))
    home = [rng.choice(scenes.HOME), rng.choice(plot["after"])]
    if length != "short":
        home.append(rng.choice(scenes.REMEMBER))
    return [goal, home + [rng.choice(scenes.ENDINGS), scenes.THE_END]]


def tell(rng, length, hero, friend=None, plot=None):
    """Writes a story about `hero`; what is not wished for is drawn from `rng`."""
    friend = friend or cast.companion(rng, hero)
    plot = plot or rng.choice(plots.PLOTS)
    met = [rng.choice(stage) for stage in obstacles.STAGES[:rng.choice(OBSTACLE_COUNTS[length])]]
    paragraphs = beginning(rng, plot, length) + middle(rng, plot, length, met) + ending(rng, plot, length)
    slots = make_slots(hero, friend, plot)
    return Story("\n\n".join(fill(paragraph, slots, index > 0) for index, paragraph in enumerate(paragraphs)), hero, friend)
