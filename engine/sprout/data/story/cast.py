"""Who a story is about. Every kind of hero always has the same name, home and friends.

That is on purpose: a model this small cannot learn in its short training to copy any name
over a long text, but it learns easily that the fox is Finn and lives under the old oak.
"""

from dataclasses import dataclass

from .. import text

# kind: (name, pronoun, trait, home, two possible companions, how often)
HEROES = {
    "fox": ("Finn", "he", "clever", "under the roots of an old oak", ("owl", "hedgehog"), 6),
    "bear": ("Bruno", "he", "gentle", "in a warm cave above the river", ("rabbit", "fox"), 3),
    "owl": ("Olive", "she", "quiet", "in a hollow tree by the mill", ("mouse", "squirrel"), 3),
    "cat": ("Clara", "she", "curious", "in a cottage with a blue door", ("dog", "mouse"), 2),
    "dog": ("Daisy", "she", "cheerful", "behind the garden of an old house", ("cat", "boy"), 2),
    "rabbit": ("Ruby", "she", "shy", "in a meadow full of clover", ("bear", "turtle"), 2),
    "mouse": ("Mina", "she", "small", "in a hole under the stairs", ("cat", "owl"), 2),
    "frog": ("Felix", "he", "lively", "beside a quiet pond", ("duck", "turtle"), 2),
    "horse": ("Hugo", "he", "patient", "on a farm at the end of the valley", ("dog", "girl"), 2),
    "hedgehog": ("Hazel", "she", "careful", "under a heap of dry leaves", ("fox", "squirrel"), 2),
    "duck": ("Ella", "she", "friendly", "in the reeds by the lake", ("frog", "turtle"), 2),
    "wolf": ("Walter", "he", "lonely", "at the edge of a dark forest", ("rabbit", "bear"), 2),
    "turtle": ("Tilda", "she", "slow", "on a flat stone by the river", ("frog", "rabbit"), 2),
    "squirrel": ("Stella", "she", "quick", "at the top of a tall fir tree", ("owl", "hedgehog"), 2),
    "robot": ("Rufus", "he", "little", "in an old workshop", ("girl", "cat"), 3),
    "girl": ("Greta", "she", "brave", "in a village between two hills", ("robot", "horse"), 2),
    "boy": ("Ben", "he", "dreamy", "in a little house near the harbour", ("dog", "dragon"), 2),
    "king": ("Karl", "he", "kind", "in a castle on a hill", ("wizard", "horse"), 2),
    "baker": ("Bella", "she", "merry", "above a small shop in the town", ("king", "mouse"), 2),
    "fisherman": ("Otto", "he", "old", "in a hut at the harbour", ("lighthouse keeper", "cat"), 2),
    "gardener": ("Gus", "he", "patient", "in a house among apple trees", ("hedgehog", "girl"), 2),
    "lighthouse keeper": ("Linus", "he", "faithful", "in a tall tower by the sea", ("fisherman", "dog"), 3),
    "wizard": ("Arthur", "he", "wise", "in a tower with a round window", ("owl", "dragon"), 2),
    "dragon": ("Ida", "she", "young", "in a cave full of old gold", ("boy", "wizard"), 2),
}
STRANGERS = ("snail zebra lion tiger elephant whale penguin giraffe monkey spider butterfly bee ant camel parrot shark snake goat cow pig sheep hen "
             "crocodile dinosaur unicorn kangaroo panda seal princess pirate knight witch astronaut detective teacher doctor nurse sailor ghost "
             "vampire car train rocket teapot clock balloon tractor violin spoon shoe lamp cloud star snowman bicycle city tomato cactus").split()
NO_STORY = "I do not know a story about that yet. I can tell you about a fox, a bear or an owl."
# What else people ask about, and whose story they get.
THEMES = {"the sea": "lighthouse keeper", "a storm": "lighthouse keeper", "the forest": "fox", "friendship": "bear", "the night": "owl",
          "magic": "wizard", "an orchard": "gardener", "an apple tree": "gardener", "apples": "gardener", "a Mac": "robot", "a computer": "robot", "a castle": "king"}


@dataclass
class Being:
    """One character: `kind` is what it is, `name` what it is called."""

    kind: str
    name: str
    he: str
    trait: str
    home: str
    friends: tuple

    def slots(self, prefix=""):
        """The words that sentences use for this character, e.g. {fname} and {fhe} for prefix "f"."""
        forms = {"he": ("his", "him", "himself"), "she": ("her", "her", "herself")}[self.he]
        return {
            prefix + "kind": self.kind, prefix + "akind": text.article(self.kind), prefix + "name": self.name,
            prefix + "full": f"{self.name} the {self.kind}",
            prefix + "trait": self.trait, prefix + "atrait": text.article(self.trait),
            prefix + "he": self.he, prefix + "his": forms[0], prefix + "him": forms[1], prefix + "himself": forms[2],
            prefix + "He": self.he.capitalize(), prefix + "His": forms[0].capitalize(),
        }


def being(kind):
    name, he, trait, home, friends, _ = HEROES[kind]
    return Being(kind, name, he, trait, home, friends)


def random_hero(rng):
    return being(rng.choices(list(HEROES), [entry[-1] for entry in HEROES.values()])[0])


def companion(rng, hero):
    return being(rng.choice(hero.friends))
