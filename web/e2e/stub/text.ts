// What the stub's models say: an answer with everything that markdown has, as words of about a token each.

const ANSWER = `## How apples keep

An apple is **alive** after it was picked: it breathes, and it ages. How fast it ages follows from three things, and *temperature* is the one that matters most. At \`0 °C\` it keeps ten times as long as at room temperature.

1. Pick it before it falls, with its stem.
2. Cool it within a day:
   - a cellar below 8 °C is good,
   - a fridge is better,
   - a porch in winter is both.
3. Look at it once a week, because one bad apple does spoil the others.

> Ethylene is a gas that ripe fruit gives off. It tells the fruit beside it to ripen as well.

| variety | keeps until | good for |
|:--|--:|---|
| Boskoop | April | cakes |
| Braeburn | March | eating |
| Idared | May | both |

\`\`\`python
def days_left(picked, temperature):
    """How many days an apple keeps, roughly."""
    base = {"boskoop": 180, "braeburn": 150}
    for name, days in base.items():
        if picked == name:
            return days / 2 ** (temperature / 10)
    raise KeyError(f"nobody knows {picked}")
\`\`\`

More about it is at [the library](https://example.com/apples "apples"), and in every old book about orchards. What they agree on is simple enough: cool, dark, moist, and not beside the potatoes.

`

const WORDS = ANSWER.match(/\s*\S+|\s+$/g) ?? []

export const word = (index: number): string => WORDS[index % WORDS.length] ?? ''

export const answer = (tokens: number): string => Array.from({ length: tokens }, (_, index) => word(index)).join('')
