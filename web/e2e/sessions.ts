// What the cases about sessions do again and again: make one over the API, ask, and read what the page and the
// gateway say.
import type { Locator, Page } from 'playwright-core'
import { until, type Stage } from './fixtures'

export interface Shown {
  id: string
  title: string
  active: string | null
  turns: { id: string; state: string; answer: string; parent: string | null }[]
}

async function call<T>(stage: Stage, method: string, path: string, data?: unknown): Promise<T> {
  const answer = await stage.context.request.fetch(stage.url + path, { method, data, headers: { origin: stage.url } })
  if (!answer.ok()) throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`)
  return (await answer.json()) as T
}

export const make = (stage: Stage, fields: object = {}) => call<Shown>(stage, 'POST', '/v3/sessions', fields)
export const shown = (stage: Stage, id: string) => call<Shown>(stage, 'GET', `/v3/sessions/${id}`)
export const remove = (stage: Stage, id: string) => call<unknown>(stage, 'DELETE', `/v3/sessions/${id}`)

export const ask = (stage: Stage, id: string, input: string) =>
  call<{ turn: string }>(stage, 'POST', `/v3/sessions/${id}/turns`, { input })

/** Waits until every turn of a session has ended, and says what they are. */
export const settled = (stage: Stage, id: string, turns = 1): Promise<Shown> =>
  until(
    'the turns have ended',
    () => shown(stage, id),
    (one) => one.turns.length >= turns && one.turns.every(({ state }) => state === 'finished' || state === 'failed'),
    60_000,
  )

/** The text of the answers on a page. Not `innerText`: what is far from the window is drawn, but not laid out. */
export const answers = (page: Page | Locator): Promise<string[]> =>
  page.locator('.turn .answer').evaluateAll((all) =>
    all.map((one) => Array.from(one.querySelectorAll('.md > *'), (block) => block.textContent?.trim()).join('\n\n')),
  )

export const STORY = 'Tell me a story about a fox'

/** The end of sprout's stories; an answer with it is whole. */
export const END = /The end\.\s*$/

/** Markdown without its marks, for prose such as sprout's. */
export const words = (text: string): string => text.replace(/\s+/g, ' ').trim()

export const composer = (page: Page | Locator): Locator => page.getByRole('textbox', { name: /^Ask in / })
