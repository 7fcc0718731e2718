// What a gateway is filled with before its pictures are taken: sessions as somebody might have them, taken in as files,
// and a few that its own model answers.

interface Turn {
  ask: string
  answer: string
  thoughts?: string
}

interface Session {
  title: string
  tags: string[]
  turns: Turn[]
}

const KEEPING = `Most apples keep best **cool, dark and moist**, and away from potatoes.

| Variety | Picked in | Keeps until | Good for |
|:--|:--|--:|---|
| Boskoop | October | April | cakes |
| Braeburn | October | March | eating |
| Idared | October | May | both |
| Gravensteiner | August | October | juice |

1. Take only those without a bruise; one bad apple does spoil the others.
2. Lay them in one layer, stems up.
3. Look at them once a week.

> Ethylene is a gas that ripe fruit gives off. It tells the fruit beside it to ripen as well.`

const LABELS = `A short script is enough. It reads the harvest from a CSV file and prints one label per crate:

\`\`\`python
import csv
from dataclasses import dataclass

@dataclass
class Crate:
    variety: str
    picked: str
    kilos: float

def crates(path: str) -> list[Crate]:
    with open(path, newline="") as file:
        return [Crate(r["variety"], r["picked"], float(r["kilos"])) for r in csv.DictReader(file)]

for number, crate in enumerate(crates("harvest.csv"), start=1):
    print(f"#{number:03} {crate.variety:<14} {crate.picked}  {crate.kilos:5.1f} kg")
\`\`\`

Run it with \`python labels.py > labels.txt\`, then print the file.`

const PLAN = `Three beds, so that nothing grows twice in the same place:

- **North:** currants, which take some shade
- **Middle:** beans this year, then onions
- **South:** tomatoes along the wall, with basil between them

Leave *sixty centimetres* between the beds for the barrow.`

const SESSIONS: Session[] = [
  {
    title: 'Beds for next spring',
    tags: ['garden'],
    turns: [
      {
        ask: 'I have room for three beds. What goes where?',
        thoughts: 'North is shaded by the shed, so nothing that wants sun. Tomatoes need the wall. Rotate beans and onions.',
        answer: PLAN,
      },
    ],
  },
  {
    title: 'Labels for the crates',
    tags: ['code', 'harvest'],
    turns: [{ ask: 'Write a script that prints labels for my crates from harvest.csv.', answer: LABELS }],
  },
  {
    title: 'Which apples keep longest?',
    tags: ['harvest'],
    turns: [
      { ask: 'Which apples keep longest, and how do I store them?', answer: KEEPING },
      { ask: 'Can I put them beside the potatoes?', answer: 'Better not. Apples give off ethylene, and potatoes sprout from it. Keep them in *separate* rooms, or at least a few metres apart.' },
    ],
  },
]

/** Asked of the gateway's own model. */
const QUESTIONS = ['How do I add a Mac?', 'Tell me a story about a fox']

export type Call = <T>(method: string, path: string, data?: unknown) => Promise<T>

/** Fills a gateway; ids of its sessions, the newest first. What is there from an earlier run stays as it is. */
export async function fill(call: Call, model: string): Promise<string[]> {
  const { sessions } = await call<{ sessions: { id: string; title: string }[] }>('GET', '/v3/sessions?limit=50')
  const ids: string[] = []
  for (const { title, tags, turns } of SESSIONS) {
    const known = sessions.find((one) => one.title === title)
    ids.unshift(known?.id ?? (await call<{ id: string }>('POST', '/v3/sessions/import', exported(title, tags, turns, model))).id)
  }
  for (const question of QUESTIONS) {
    const known = sessions.find((one) => one.title === question)
    ids.unshift(known?.id ?? (await asked(call, question)))
  }
  return ids
}

function exported(title: string, tags: string[], turns: Turn[], model: string) {
  const usage = { prompt_tokens: 48, cached_tokens: 0, completion_tokens: 210 }
  const file = turns.map(({ ask, answer, thoughts = '' }) => ({
    input: [{ role: 'user', content: ask }],
    answer: thoughts + answer,
    model,
    usage,
    ...(thoughts && { marks: [{ at: 0, kind: 'reasoning' }, { at: Buffer.byteLength(thoughts), kind: 'text' }] }),
  }))
  return { format: 'pomona.session.v3', title, tags, model, turns: file }
}

async function asked(call: Call, input: string): Promise<string> {
  const { id } = await call<{ id: string }>('POST', '/v3/sessions', { title: input })
  await call('POST', `/v3/sessions/${id}/turns`, { input })
  for (let tries = 0; tries < 200; tries++) {
    const { turns } = await call<{ turns: { state: string }[] }>('GET', `/v3/sessions/${id}`)
    if (turns.every(({ state }) => state !== 'queued' && state !== 'running')) return id
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${input} is not answered`)
}
