"""What people ask for when they want a story, and what they ask when they have heard it."""

from .. import text
from . import cast, plots
from .teller import tell

ASK = [
    "[Tell|Tell me|Tell me|Tell me|Write|Write me|Can you tell me|Please tell me|Make up|I want to hear|I would like] %a% story about %subject%",
    "[Tell me|Tell me|Write|Write me|Please write] %a% story about %subject%",
    "[Tell me|Write|Give me] %a% tale about %subject%",
    "%a% story about %subject%",
    "Do you know %a% story about %subject%?",
]
ASK_FREE = ["[Tell me|Tell|Write|Write me|Please tell me|Can you tell me] %a% story", "%a% story", "Tell me something nice", "tell me a bedtime story",
            "I am bored, tell me %a% story"]
LENGTH_WORDS = {"short": ["a short", "a very short", "a little", "a tiny"], "normal": ["a", "a", "a", "a", "a nice", "a good"],
                "long": ["a long", "a very long", "a long", "a really long"]}
AGAIN = ["[Another one|One more|Tell me another one|another story|again|And another one][, please|]", "[Tell me|And] another story[| please]"]


def ask(rng, length):
    """Returns a question and the story that answers it."""
    words, template = rng.choice(LENGTH_WORDS[length]), rng.choice(ASK)
    hero, friend, plot, chance = cast.random_hero(rng), None, None, rng.random()
    subject = text.article(hero.kind)
    if chance < 0.06:
        return finish(rng, rng.choice(ASK_FREE), words, ""), tell(rng, length, hero)
    if chance < 0.10:
        subject = rng.choice(list(cast.THEMES))
        hero = cast.being(cast.THEMES[subject])
    elif chance < 0.15:
        subject = rng.choice(["the " + hero.kind, hero.name, f"{hero.name} the {hero.kind}", f"{subject} called {hero.name}"])
    elif chance < 0.27:
        friend = cast.companion(rng, hero)
        subject += " and " + text.article(friend.kind)
    elif chance < 0.42:
        plot = rng.choice(plots.PLOTS)
        subject += " " + rng.choice(plot["asks"]).format(far=plot["far"], treasure=plot["treasure"], skill=plots.SKILL)
    return finish(rng, template, words, subject), tell(rng, length, hero, friend, plot)


def finish(rng, template, words, subject):
    question = text.expand(template, rng).replace("%a%", words).replace("%subject%", subject)
    if question[-1] not in "?." and rng.random() < 0.4:
        question += "."
    return text.as_typed(text.capitalize(question), rng, keep_words=True)


def no_story(rng):
    """A hero who is not in the cast: sprout says so, and whom it can tell of."""
    words = rng.choice(rng.choice(list(LENGTH_WORDS.values())))
    return [(finish(rng, rng.choice(ASK), words, text.article(rng.choice(cast.STRANGERS))), cast.NO_STORY)]


def question_about(rng, story):
    """A question whose answer stands in the story."""
    name, kind, friend = story.hero.name, story.hero.kind, story.friend
    questions, answer = rng.choice([
        (["What was the name of the %kind%?", "What was the %kind% called?", "who was the hero?", "what is the name of the hero?"],
         f"The {kind} was called {name}."),
        (["Who helped %name%?", "Who was the friend of %name%?", "who went with %name%?"], f"{friend.name} the {friend.kind} helped {name} the {kind}."),
        (["Where did %name% live?", "where did the %kind% live?"], f"{name} the {kind} lived {story.hero.home}."),
    ])
    question = rng.choice(questions).replace("%name%", name).replace("%kind%", kind)
    return text.as_typed(question, rng, keep_words=True), answer


def sample(rng):
    """One story, sometimes followed by questions about it or by another story."""
    if rng.random() < 0.08:
        return no_story(rng)
    length = rng.choices(["short", "normal", "long"], [30, 48, 22])[0]
    question, story = ask(rng, length)
    turns = [(question, story.text)]
    chance = rng.random()
    if chance < 0.2:
        turns += [question_about(rng, story) for _ in range(rng.choice([1, 1, 2]))]
    elif chance < 0.23 and length == "short":
        turns.append((text.as_typed(text.expand(rng.choice(AGAIN), rng), rng), tell(rng, "short", cast.random_hero(rng)).text))
    if rng.random() < 0.12:
        turns.append((rng.choice(["Thank you!", "thanks", "That was nice", "What a nice story!", "great story"]), "I am glad that you liked it."))
    return turns
