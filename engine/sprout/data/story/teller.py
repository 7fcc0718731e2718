"""Tells one story: picks a cast, a plot and obstacles, and fills the sentences in.

Names and things stay the same from the first sentence to the last, because every sentence
is filled from one dictionary. The order is always opening, want, obstacles, goal, home, so a
reader can follow it even over hundreds of words.
"""

from dataclasses import dataclass, field

from .. import text
from . import cast, obstacles, plots, scenes

# How many obstacles a story of each length has; a long one runs to about 800 tokens.
OBSTACLE_COUNTS = {"short": (0, 1), "normal": (1, 2), "long": (3, 4)}


@dataclass
class Story:
    """A finished story and what one could ask about it."""

    text: str
    hero: cast.Being
    friend: cast.Being
    plot: dict
    met: list
    slots: dict = field(default_factory=dict)


def the(treasure):
    """`a red scarf` becomes `the red scarf`."""
    return "the " + treasure.split(" ", 1)[1]


def fill(sentence, slots):
    return ". ".join(text.capitalize(part) for part in sentence.format(**slots).split(". "))


def make_slots(rng, hero, friend, wishes):
    treasure = wishes.get("treasure") or rng.choice(cast.TREASURES)
    home = rng.choice(cast.HOMES[hero.group])
    places = [place for place in cast.PLACES if place.split()[-1] not in home]
    return {
        **hero.slots(), **friend.slots("f"), "home": home, "place": rng.choice(places), "treasure": treasure,
        "the_treasure": the(treasure), "far": wishes.get("far") or rng.choice(cast.FAR),
        "skill": wishes.get("skill") or rng.choice(plots.SKILLS), "noun": "the long way",
    }


def one_obstacle(rng, obstacle, fails):
    parts = [rng.choice(obstacle["meet"])]
    parts += rng.sample(obstacle["fail"], fails)
    if fails and rng.random() < 0.5:
        parts.append(rng.choice(scenes.MOOD_BAD))
    parts += [rng.choice(obstacle["idea"]), rng.choice(obstacle["win"])]
    if rng.random() < 0.5:
        parts.append(rng.choice(scenes.MOOD_GOOD))
    return parts


def beginning(rng, plot, length):
    first = [rng.choice(scenes.OPENINGS)]
    if length != "short":
        first += rng.sample(scenes.HABITS, rng.choice([1, 2]))
    first.append(rng.choice(scenes.FRIEND_BEFORE))
    want = [rng.choice(plot["start"])]
    if length != "short" or rng.random() < 0.5:
        want.append(rng.choice(plot["why"]))
    want.append(rng.choice(plot["vow"]))
    if plot["id"] != "gift":
        want.append(rng.choice(scenes.FRIEND_JOINS))
    if rng.random() < 0.5:
        want.append(rng.choice(scenes.TOGETHER))
    return [first, want]


def middle(rng, plot, length, met):
    travel = rng.sample(scenes.TRAVEL, len(scenes.TRAVEL))
    paragraphs = [[rng.choice(plot["clue"])] + ([travel.pop()] if length != "short" else [])]
    fails = {"short": (0, 1), "normal": (1, 2), "long": (2, 3)}[length]
    for index, obstacle in enumerate(met):
        if index:
            paragraphs.append([rng.choice(scenes.NEXT)] + [travel.pop() for _ in range(rng.choice([1, 2]))])
        paragraphs.append(one_obstacle(rng, obstacle, rng.randint(*fails)))
    return paragraphs


def ending(rng, plot, length, met):
    goal = [rng.choice(scenes.NEAR_GOAL)] if length != "short" else []
    goal.append(rng.choice(plot["goal"]))
    home = [rng.choice(scenes.HOME if met else [line for line in scenes.HOME if "{noun}" not in line]), rng.choice(plot["after"])]
    if met and length != "short":
        home.append(rng.choice(scenes.REMEMBER))
    home.append(rng.choice(scenes.ENDINGS))
    if rng.random() < 0.3:
        home.append(rng.choice(plot["moral"]))
    home.append(rng.choice(scenes.THE_END))
    return [goal, home]


def tell(rng, length, hero, friend=None, plot=None, wishes=None):
    """Writes a story about `hero`; what is not wished for is drawn from `rng`."""
    friend = friend or cast.companion(rng, hero)
    plot = plot or rng.choice(plots.PLOTS)
    slots = make_slots(rng, hero, friend, wishes or {})
    count = rng.choice(OBSTACLE_COUNTS[length])
    met = rng.sample(obstacles.OBSTACLES, count)
    paragraphs = beginning(rng, plot, length) + middle(rng, plot, length, met)
    if met:
        slots["noun"] = rng.choice(met)["noun"]
    paragraphs += ending(rng, plot, length, met)
    lines = [" ".join(fill(sentence, slots) for sentence in paragraph if sentence) for paragraph in paragraphs]
    return Story("\n\n".join(lines), hero, friend, plot, met, slots)
