"""What people ask for when they want a story, and what they ask when they have heard it."""

from .. import arithmetic, text
from . import cast, plots
from .teller import tell

ASK = [
    "[Tell|Tell me|Write|Write me|Can you tell me|Please tell me|Make up|I want to hear|I would like] %a% story about %subject%",
    "[Tell me|Write|Give me] %a% tale about %subject%",
    "%a% story about %subject%",
    "Do you know %a% story about %subject%?",
]
ASK_FREE = ["[Tell me|Tell|Write|Write me|Please tell me|Can you tell me] %a% story", "%a% story", "Tell me something nice", "tell me a bedtime story",
            "I am bored, tell me %a% story"]
LENGTH_WORDS = {"short": ["a short", "a very short", "a little", "a tiny"], "normal": ["a", "a", "a", "a nice", "a good"],
                "long": ["a long", "a very long", "a long", "a really long"]}
AGAIN = ["[Another one|One more|Tell me another one|another story|again|And another one][, please|]", "[Tell me|And] another story[| please]"]
CONTINUE_LONG = ["[Now a longer one|Tell me a longer one|a longer story please|longer]"]
THEMES = ["friendship", "courage", "the sea", "winter", "the forest", "home", "hope", "love", "the night", "a journey", "spring", "music"]


def choose_hero(rng):
    """Mostly a known kind; sometimes a made-up word or an adjective, so that copying is learnt."""
    kind = cast.random_kind(rng)
    chance = rng.random()
    if chance < 0.08:
        kind = arithmetic.made_up_word(rng)
    elif chance < 0.18 and " " not in kind:
        kind = rng.choice("red white blue black golden lazy hungry lonely tiny old grey lucky".split()) + " " + kind
    name = rng.choice(cast.NAMES_HE + cast.NAMES_SHE) if rng.random() < 0.25 else None
    if name and rng.random() < 0.3:
        name = arithmetic.made_up_word(rng).capitalize()
    return cast.being(rng, kind, name), name is not None


def subject_of(rng, hero, named, wishes):
    """How the question names the hero, perhaps with a companion or a wish about the plot."""
    subject = text.article(hero.kind) if rng.random() < 0.9 else "the " + hero.kind
    if named:
        return f"{subject} {rng.choice(['called', 'named'])} {hero.name}", None, None
    chance = rng.random()
    if chance < 0.2:
        friend = cast.companion(rng, hero)
        return f"{subject} and {text.article(friend.kind)}", friend, None
    if chance < 0.5:
        plot = rng.choice(plots.PLOTS)
        wishes.update(far=rng.choice(cast.FAR), treasure=rng.choice(cast.TREASURES), skill=rng.choice(plots.SKILLS))
        return f"{subject} {rng.choice(plot['asks']).format(**wishes)}", None, plot
    return subject, None, None


def ask(rng, length):
    """Returns a question and the story that answers it."""
    wishes = {}
    words = rng.choice(LENGTH_WORDS[length])
    if rng.random() < 0.1:
        hero = cast.being(rng, cast.random_kind(rng))
        return finish(rng, rng.choice(ASK_FREE), words, ""), tell(rng, length, hero)
    if rng.random() < 0.06:
        hero = cast.being(rng, cast.random_kind(rng))
        return finish(rng, rng.choice(ASK), words, rng.choice(THEMES)), tell(rng, length, hero)
    hero, named = choose_hero(rng)
    subject, friend, plot = subject_of(rng, hero, named, wishes)
    return finish(rng, rng.choice(ASK), words, subject), tell(rng, length, hero, friend, plot, wishes)


def finish(rng, template, words, subject):
    question = text.expand(template, rng).replace("%a%", words).replace("%subject%", subject)
    if question[-1] not in "?." and rng.random() < 0.5:
        question += "."
    return text.as_typed(text.capitalize(question), rng, keep_words=True)


def question_about(rng, story):
    """A question whose answer stands in the story."""
    slots = story.slots
    name, kind, friend = story.hero.name, story.hero.kind, story.friend
    choices = [
        (["What was the name of the %kind%?", "What was the %kind% called?", "who was the hero?", "what is the name of the hero?"],
         [f"The {kind} was called {name}.", f"{name}. That was the name of the {kind}."]),
        (["Who helped %name%?", "Who was the friend of %name%?", "who went with %name%?"],
         [f"{friend.name} the {friend.kind} helped {name}.", f"It was {friend.name}, {text.article(friend.kind)}."]),
        (["What did %name% want?", "What was the wish of %name%?", "what was it about?"],
         [f"{name} wanted {story.plot['want'].format(**slots)}."]),
        (["Where did they go?", "Where did %name% go?"], [f"They went to {slots['far']}."]),
        (["What is the moral?", "What is the moral of the story?", "what can we learn from it?"], story.plot["moral"]),
        (["Where did %name% live?", "where did the %kind% live?"], [f"{name} lived {slots['home']}."]),
    ]
    if story.met:
        choices.append((["What stood in the way?", "What was the problem?", "what was hard?"],
                        [f"{name} and {friend.name} had to get past {' and '.join(met['noun'] for met in story.met)}."]))
    questions, answers = rng.choice(choices)
    question = rng.choice(questions).replace("%name%", name).replace("%kind%", kind)
    return text.as_typed(question, rng, keep_words=True), rng.choice(answers)


def sample(rng):
    """One story, sometimes followed by questions about it or by another story."""
    length = rng.choices(["short", "normal", "long"], [45, 30, 25])[0]
    question, story = ask(rng, length)
    turns = [(question, story.text)]
    chance = rng.random()
    if chance < 0.4:
        turns += [question_about(rng, story) for _ in range(rng.choice([1, 2, 2, 3]))]
    elif chance < 0.45 and length == "short":
        wish, next_length = rng.choice([(AGAIN, "short"), (AGAIN, "normal"), (CONTINUE_LONG, "normal"), (CONTINUE_LONG, "long")])
        hero = story.hero if wish is CONTINUE_LONG else cast.being(rng, cast.random_kind(rng))
        turns.append((text.as_typed(text.expand(rng.choice(wish), rng), rng), tell(rng, next_length, hero).text))
    if rng.random() < 0.15:
        turns += thanks(rng)
    return turns


def thanks(rng):
    """A thank-you, and perhaps a yes to the offer of another story."""
    thanked = rng.choice(["Thank you!", "thanks", "That was nice", "What a nice story!", "great story"])
    if rng.random() < 0.5:
        return [(thanked, rng.choice(["I am glad that you liked it.", "You are welcome! It was a pleasure."]))]
    turns = [(thanked, "You are welcome! Would you like another story?")]
    if rng.random() < 0.3:
        return turns + [("no" if rng.random() < 0.5 else "No, thank you.", "All right. I am here if you need me.")]
    if rng.random() < 0.6:
        hero = cast.being(rng, cast.random_kind(rng))
        turns.append((rng.choice(["yes", "Yes, please!", "sure", "yes please", "Gladly"]), tell(rng, "short", hero).text))
    return turns
