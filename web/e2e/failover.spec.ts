// A machine dies while it answers: the page goes on with the answer of another one, and not a token is missing or twice.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { getJson } from './asking'
import { until, type Case, type Stage } from './fixtures'
import { answers, composer, make, settled, words } from './sessions'

/** Words for the scripted engine, whose text follows from the seed alone: at once, and so that one can act meanwhile. */
const AT_ONCE = 'tokens=400 pace=0'
const PACED = 'tokens=400 pace=25'
const SEED = 7

export const an_answer_goes_on_when_its_machine_dies: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'A machine dies', seed: SEED })
  const fleet = await stage.another()
  await stage.open('/fleet', fleet)
  await stage.open(`/s/${id}`)
  await ask(page, AT_ONCE)
  const known = words((await settled(stage, id)).turns[0]?.answer ?? '')
  assert.equal(known.split(' ').length, 400)

  await page.evaluate(watchTexts)
  await ask(page, PACED)
  await until('some of the answer', () => answers(page), ([, second]) => words(second ?? '').length > 60)
  const lost = await machineAtWork(stage)
  process.kill(pidOf(lost), 'SIGKILL')

  const note = await page.getByText(/Resumed on \S+\./).innerText({ timeout: 20_000 })
  assert.match(note.trim(), /^Resumed on \S+\. Nothing was lost\.$/)
  assert.ok(!note.includes(lost), `it goes on at the machine that died: ${note}`)
  const { turns } = await settled(stage, id, 2)
  assert.equal(words(turns[1]?.answer ?? ''), known)
  await until('the whole answer', async () => words((await answers(page))[1] ?? ''), (text) => text === known)
  const texts = await page.evaluate(() => (window as unknown as Watched).texts)
  assert.deepEqual(texts.map(words).filter((text) => !known.startsWith(text)), [], 'something else was seen meanwhile')
  await fleet.getByRole('article', { name: lost }).getByText('Offline').waitFor({ timeout: 20_000 })
}
an_answer_goes_on_when_its_machine_dies.at = 'cluster'

async function ask(page: Page, text: string): Promise<void> {
  await composer(page).fill(text)
  await composer(page).press('Enter')
}

/** Name of the machine on which the only turn runs. */
async function machineAtWork(stage: Stage): Promise<string> {
  const look = async () => {
    const { nodes } = await getJson<{ nodes: { name: string; turns: number; is_here: boolean }[] }>(stage, '/admin/fleet')
    return nodes.find(({ turns, is_here }) => turns > 0 && !is_here)?.name ?? ''
  }
  return until('a machine at work', look, (name) => name !== '')
}

function pidOf(name: string): number {
  const pids = JSON.parse(process.env.POMONA_CLUSTER_PIDS ?? '{}') as Record<string, number>
  const pid = pids[name]
  assert.ok(pid, `POMONA_CLUSTER_PIDS has no process of ${name}`)
  return pid
}

interface Watched {
  texts: string[]
}

/** Keeps every text that the second answer has had. Runs in the page. */
function watchTexts(): void {
  const texts: string[] = []
  Object.assign(window, { texts })
  new MutationObserver(() => {
    const text = document.querySelectorAll('.turn .answer')[1]?.querySelector('.md')?.textContent ?? ''
    if (text !== (texts.at(-1) ?? '')) texts.push(text)
  }).observe(document.body, { childList: true, subtree: true, characterData: true })
}
