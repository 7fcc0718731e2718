"""Who a story is about: kinds of heroes, where they live, their names and their companions."""

from dataclasses import dataclass

from .. import text

ANIMALS = ("fox owl hare bear mouse hedgehog squirrel otter badger deer wolf cat dog rabbit frog duck goose swan sparrow robin raven "
           "crow heron stork horse donkey pony cow calf sheep lamb goat pig hen rooster beaver mole bat lynx turtle snail bee ant "
           "ladybird butterfly caterpillar spider cricket fish trout whale dolphin seal penguin elephant lion tiger monkey giraffe "
           "zebra camel kangaroo koala parrot eagle hawk pigeon crab octopus lizard dragon unicorn puppy kitten duckling dinosaur "
           "panda crocodile hamster snake shark worm toad moth llama").split()
PEOPLE = ("lighthouse keeper|baker|fisherman|farmer|gardener|shepherd|miller|tailor|blacksmith|carpenter|clockmaker|painter|singer|"
          "teacher|doctor|postman|captain|sailor|pilot|knight|king|queen|prince|princess|wizard|witch|giant|fairy|boy|girl|"
          "old man|old woman|grandmother|grandfather|astronaut|scientist|engineer|programmer|librarian|cook|beekeeper|piper|"
          "hunter|ferryman|explorer|pirate|inventor|musician|dancer|merchant|detective|student|child|mountain guide|train driver|ghost|dwarf").split("|")
THINGS = ("robot|little robot|computer|laptop|Mac|Mac mini|lantern|candle|cloud|star|kite|boat|train|teapot|clock|snowman|"
          "scarecrow|apple tree|apple|seed|balloon|toy soldier|doll|broom|bicycle|tractor|lamp|bell|pebble|raindrop|snowflake|leaf|"
          "umbrella|letter|paper boat|violin|drum|book|language model|rocket|satellite|windmill|lost sock|tree|flower|car|bus|shoe|spoon|moon").split("|")
NAMES_HE = "Pip Oskar Tom Ben Felix Hugo Leo Max Otto Theo Finn Jonas Emil Anton Bruno Karl Milo Noah Paul Sam Toby Walter Henry Arthur Basil Casper Edgar Gus Ivo Jasper Linus Rufus".split()
NAMES_SHE = "Ruby Mina Lotte Clara Ella Flora Greta Hazel Ida Juna Kira Lena Maya Nora Olive Pia Rosa Sara Tilda Uma Vera Wilma Anna Bella Daisy Emma Frida Hanna Ivy Lucy Martha Stella".split()
TRAITS = "small|brave|curious|quiet|clever|shy|cheerful|patient|kind|young|little|gentle|dreamy|careful|lively|friendly|stubborn".split("|")
MALE = {"fisherman", "boy", "king", "prince", "old man", "grandfather", "postman", "wizard", "rooster", "ferryman"}
FEMALE = {"girl", "queen", "princess", "old woman", "grandmother", "witch", "fairy", "hen", "cow"}

HOMES = {
    "animal": ["at the edge of a green forest", "under the roots of an old oak", "in a small den behind the mill", "beside a quiet pond",
               "in a meadow full of clover", "on a hill above the river", "behind the garden of an old house", "in a warm nest of moss and leaves"],
    "person": ["in a little house by the sea", "in a village between two hills", "at the end of a long road", "in a tower with a round window",
               "near the old harbour", "in a cottage with a blue door", "above a small shop in the town", "on an island with only nine houses"],
    "thing": ["on a shelf in an old workshop", "by the window of a small house", "in a garden behind the school", "at the top of a tall tower",
              "in a quiet room full of books", "on a farm at the end of the valley", "in a box in the attic", "beside the kitchen door"],
}
PLACES = ("the valley|the forest|the village|the meadow|the river|the hills|the coast|the island|the orchard|the harbour|the moor|the lake").split("|")
FAR = ("the silver mountain|the old lighthouse|the sea|the garden of the moon|the blue lake|the house on the cliff|the tallest tree in the forest|"
       "the city of bells|the end of the rainbow|the island of birds|the castle in the north|the great library|the valley of lanterns").split("|")
TREASURES = ("a silver key|a red scarf|a little drum|a golden bell|a wooden flute|a blue button|an old map|a green lamp|a glass marble|"
             "a warm blanket|a copper coin|a music box|a painted cup|a brass compass|a small mirror|a bag of seeds|a picture book|a white feather").split("|")


@dataclass
class Being:
    """One character: `kind` is what it is, `name` what it is called."""

    kind: str
    name: str
    he: str
    group: str
    trait: str

    def slots(self, prefix=""):
        """The words that sentences use for this character, e.g. {fname} and {fhe} for prefix "f"."""
        forms = {"he": ("his", "him", "himself"), "she": ("her", "her", "herself")}[self.he]
        return {
            prefix + "kind": self.kind, prefix + "akind": text.article(self.kind), prefix + "name": self.name,
            prefix + "trait": self.trait, prefix + "atrait": text.article(self.trait),
            prefix + "he": self.he, prefix + "his": forms[0], prefix + "him": forms[1], prefix + "himself": forms[2],
            prefix + "He": self.he.capitalize(), prefix + "His": forms[0].capitalize(),
        }


def group_of(kind):
    if kind in ANIMALS:
        return "animal"
    return "person" if kind in PEOPLE else "thing"


def being(rng, kind, name=None, avoid=()):
    """Gives a kind a name, a pronoun and a trait."""
    he = "he" if kind in MALE else "she" if kind in FEMALE else rng.choice(["he", "she"])
    if name in NAMES_SHE and kind not in MALE:
        he = "she"
    elif name in NAMES_HE and kind not in FEMALE:
        he = "he"
    pool = [candidate for candidate in (NAMES_SHE if he == "she" else NAMES_HE) if candidate not in avoid]
    trait = rng.choice([word for word in TRAITS if word not in kind.split()])
    return Being(kind, name or rng.choice(pool), he, group_of(kind), trait)


def random_kind(rng):
    return rng.choice(rng.choices([ANIMALS, PEOPLE, THINGS], [5, 3, 3])[0])


def companion(rng, hero):
    """A helper who differs from the hero in kind and name, most often an animal."""
    pool = ANIMALS if rng.random() < 0.75 else PEOPLE
    kind = rng.choice([candidate for candidate in pool if candidate != hero.kind])
    return being(rng, kind, avoid=(hero.name,))
