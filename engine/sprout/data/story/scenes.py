"""How a story begins, breathes and ends: sentences that fit every plot."""

OPENINGS = [
    "Once upon a time there was {atrait} {kind} called {name}, who lived {home}.",
    "Once there was {akind} named {name}. {He} was {trait} and lived {home}.",
    "There once lived {atrait} {kind} {home}. Everybody called {him} {name}.",
    "Long ago, {home}, there lived {akind} whose name was {name}.",
    "This is the story of {name}, {atrait} {kind} who lived {home}.",
    "Not so long ago {atrait} {kind} lived {home}. {His} name was {name}.",
]
HABITS = [
    "Every morning {name} greeted the sun and swept the leaves from the door.",
    "In the mornings {he} liked to listen to the rain, and in the evenings {he} counted the stars.",
    "{He} was known for {his} good heart and {his} loud laugh.",
    "{He} did not have much, but {he} had all that {he} needed.",
    "Most days were quiet, and {name} liked them that way.",
    "Everybody around {place} knew {him}, and nobody had ever seen {him} angry.",
    "{name} could not walk by when somebody needed help.",
]
FRIEND_BEFORE = [
    "{His} best friend was {fakind} called {fname}.",
    "Next door lived {fakind} named {fname}, and the two of them did everything together.",
    "{name} had a good friend, {fakind} called {fname}.",
]
FRIEND_JOINS = [
    "\"I will come with you,\" said {fname} at once. \"Two see more than one.\"",
    "{fname} had heard everything. \"You will not go alone,\" said {fname}.",
    "\"Wait for me!\" called {fname}. \"I know a song for every mile.\"",
]
TOGETHER = [
    "So they set off together.", "And so the two friends began their way.", "They did not talk much, but they were glad to have each other.",
]
TRAVEL = [
    "They walked the whole morning through tall grass.",
    "At noon they rested under a tree and shared a piece of cheese.",
    "The sun was warm, and the birds told each other the news.",
    "On the way {fname} asked a hundred questions, and {name} knew the answer to seven of them.",
    "They passed a mill, two ponds and a field of yellow flowers.",
    "When night came, they slept in the hay and dreamed of home.",
    "A light rain fell, but it did not bother them.",
    "The next day they got up before the sun.",
    "\"Are we there yet?\" asked {fname}. \"Not yet,\" said {name}, \"but almost.\"",
    "An old snail wished them good luck.",
    "In a village somebody gave them bread and a friendly word.",
]
# What leads to the second, third and fourth obstacle: always the same, so that the way has an end.
NEXT = ["But that was not all.", "They had hardly rested when the next trouble came.", "But the hardest part was still to come."]
MOOD_BAD = [
    "{name} was near to tears.", "\"What shall we do now?\" asked {fname}.", "It looked as if this was the end of their way.",
    "For a moment nobody said a word.", "\"It does not work,\" sighed {name}. \"Not like this.\"",
]
MOOD_GOOD = [
    "\"We did it!\" cried {fname}.", "{name} took a deep breath and smiled.", "\"I would never have managed that alone,\" said {name}.",
    "They danced for joy, right there on the road.", "\"And now on,\" said {name}, \"it cannot be far any more.\"",
]
NEAR_GOAL = ["And now it was not far any more.", "After that the way was easy.", "Three days after they had left home, they were nearly there."]
HOME = [
    "Then they went home, and the way back seemed only half as long.",
    "The next morning {name} and {fname} started for home.",
    "When they came back, the lamps were lit and everyone wanted to hear what had happened.",
    "They were so happy that they sang all the way home.",
]
REMEMBER = [
    "In the evening they sat by the fire, and {fname} told of the long way, and each time it became a little longer.",
    "\"Do you remember the long way?\" {fname} often asked later, and then they both had to laugh.",
    "{name} never forgot how {fname} had helped {him}.",
]
ENDINGS = [
    "And if you come by {home}, you may still hear {name} and {fname} laughing.",
    "{name} and {fname} stayed friends for the rest of their lives.",
    "That night {name} slept deep and well, and {he} dreamed of the next adventure.",
    "And so everything ended well.",
    "Since then {name} has been the happiest {kind} far and wide.",
    "And that is the story of {name} the {kind}.",
]
THE_END = "The end."
