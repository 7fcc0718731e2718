"""Reads the hand-written questions and answers in `topics/*.txt` and draws turns from them.

To teach sprout a new fact, add a few lines there: `?` starts a question, `!` an answer,
`!+` the next line of the same answer, and a blank line ends the topic. A line `* 3` in front
makes a topic three times as likely.
"""

from pathlib import Path

from . import text

FOLDER = Path(__file__).parent / "topics"

SLOTS = {
    "country": "France Spain Italy China Japan India Brazil Canada Egypt Peru Kenya Poland Norway Mexico Greece Chile Cuba "
    "Ireland Sweden Turkey Vietnam Austria Germany Australia".split(),
    "work": ["Hamlet", "Faust", "the Mona Lisa", "the Magic Flute", "Don Quixote", "the Odyssey", "Moby Dick", "the Bible"],
    "person": ["Einstein", "Napoleon", "Cleopatra", "Mozart", "Newton", "Shakespeare", "Marie Curie", "Gandhi", "Plato"],
    "science": ["gravity", "quantum physics", "a black hole", "photosynthesis", "the brain", "electricity", "evolution",
                "an atom", "a nuclear reactor", "a jet engine", "the stock market", "relativity", "chemistry", "democracy"],
    "code": ["Python program", "sorting function", "SQL query", "web page in HTML", "JavaScript code", "shell script", "C code", "unit test"],
    "dish": ["soup", "pizza", "a cake", "pasta", "rice", "bread", "curry", "an omelette", "pancakes"],
    "word": ["house", "love", "water", "good morning", "tree", "friend", "bread", "thank you"],
}


def load(name):
    """Returns the topics of one file as (questions, answers, weight)."""
    topics, questions, answers, weight = [], [], [], 1
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines() + [""]:
        starts_new = not line.strip() or (line.startswith("?") and answers)
        if starts_new and questions:
            topics.append((questions, answers, weight))
            questions, answers, weight = [], [], 1
        if line.startswith("*"):
            weight = int(line[1:])
        elif line.startswith("!+"):
            answers[-1] += "\n" + line[2:].strip()
        elif line.startswith("!"):
            answers.append(line[1:].strip())
        elif line.startswith("?"):
            questions.append(line[1:].strip())
    return topics


class Topics:
    """A bag of topics; how likely one is depends on its weight, not on how many questions it has."""

    def __init__(self, *names):
        self.topics = [topic for name in names for topic in load(name)]

    def sample(self, rng):
        """One turn: a question as somebody types it, and one of its answers."""
        questions, answers, _ = rng.choices(self.topics, [weight for _, _, weight in self.topics])[0]
        return [self.turn(rng, questions, answers)]

    @staticmethod
    def turn(rng, questions, answers):
        question = text.expand(rng.choice(questions), rng)
        for slot, values in SLOTS.items():
            question = question.replace(f"%{slot}%", rng.choice(values))
        return text.as_typed(text.politely(question, rng), rng), text.expand(rng.choice(answers), rng)
