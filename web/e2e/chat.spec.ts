// Cards and the full page of a session, against a gateway that serves sprout.
import assert from 'node:assert/strict'
import { checkEverywhere, until, type Case, type Stage } from './fixtures'
import { answers, ask, composer, END, make, remove, settled, shown, STORY, words } from './sessions'

export const a_question_gets_a_card_and_an_answer: Case = async (stage) => {
  const { page } = stage
  await stage.open('/')
  const first = page.getByRole('textbox', { name: 'First question of a new session' })
  await first.fill(STORY)
  await first.press('Enter')
  // The newest card stands first.
  const card = page.getByRole('article', { name: STORY }).first()
  await until('the answer', () => answers(card), ([text]) => END.test(text ?? ''), 30_000)
  await until('the field is empty', () => first.inputValue(), (text) => text === '')
  await card.getByText('tokens/s').waitFor()
  await card.getByText('TTFT').waitFor()
  await card.getByRole('link', { name: STORY }).click()
  await page.waitForURL(/\/s\/ses_/)
  await page.getByRole('heading', { level: 1, name: STORY }).waitFor()
}

export const stop_ends_the_answer_and_leaves_what_was_said: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'Stop' })
  await stage.open(`/s/${id}`)
  // A short answer ends before a program outside the page has found the button.
  const stopped = page.evaluate(stopAtOnce)
  await composer(page).fill(STORY)
  await composer(page).press('Enter')
  const stop = await stopped
  await page.getByText('Stopped.').waitFor()
  const place = await page.getByRole('button', { name: 'Send' }).boundingBox()
  assert.deepEqual(place, stop, 'Send and Stop stand in one place')
  const { turns } = await settled(stage, id)
  assert.equal(words((await answers(page))[0] ?? ''), words(turns[0]?.answer ?? ''))
}
stop_ends_the_answer_and_leaves_what_was_said.at = 'paced'

function stopAtOnce(): Promise<{ x: number; y: number; width: number; height: number }> {
  return new Promise((resolve) => {
    const seen = new MutationObserver(() => {
      const button = document.querySelector<HTMLElement>('[aria-label="Stop the answer"]')
      if (!button || !document.querySelector('.answer .md > *')) return
      seen.disconnect()
      const { x, y, width, height } = button.getBoundingClientRect()
      button.click()
      resolve({ x, y, width, height })
    })
    seen.observe(document.body, { childList: true, subtree: true })
  })
}

export const a_reload_mid_stream_ends_with_the_same_text: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'Reload' })
  await stage.open(`/s/${id}`)
  await ask(stage, id, STORY)
  for (let round = 0; round < 3; round++) {
    await page.waitForTimeout(250)
    await page.reload()
  }
  await sameEverywhere(stage, id, [page])
}

export const two_browsers_and_lost_connections_end_with_the_same_text: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'Two browsers' })
  const other = await stage.another({ viewport: { width: 375, height: 740 } })
  for (const each of [page, other]) await each.addInitScript(rememberSockets)
  await stage.open(`/s/${id}`)
  await stage.open(`/s/${id}`, other)
  await page.getByText('Also open').waitFor()
  for (let turn = 0; turn < 3; turn++) await ask(stage, id, STORY)
  for (let round = 0; round < 6; round++) {
    await page.waitForTimeout(400)
    await (round % 2 ? other : page).evaluate(() => (window as unknown as Sockets).sockets.forEach((one) => one.close()))
  }
  await sameEverywhere(stage, id, [page, other])
  const late = await stage.another()
  await stage.open(`/s/${id}`, late)
  await sameEverywhere(stage, id, [page, other, late])
}

interface Sockets {
  sockets: WebSocket[]
}

function rememberSockets(): void {
  const sockets: WebSocket[] = []
  Object.assign(window, { sockets })
  window.WebSocket = new Proxy(WebSocket, {
    construct(target, args: ConstructorParameters<typeof WebSocket>) {
      const made = new target(...args)
      sockets.push(made)
      return made
    },
  })
}

async function sameEverywhere(stage: Stage, id: string, pages: Stage['page'][]): Promise<void> {
  const { turns } = await settled(stage, id)
  const wanted = turns.map(({ answer }) => words(answer))
  for (const page of pages) {
    await until('the text of the gateway', async () => (await answers(page)).map(words), (found) => found.join() === wanted.join())
  }
}

export const others_are_seen_and_heard_writing: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'Others' })
  const other = await stage.another({ userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) Version/18.0 Safari/604.1' })
  await stage.open(`/s/${id}`)
  await stage.open(`/s/${id}`, other)
  await page.getByText('Also open: Safari on iPhone').waitFor()
  await composer(other).pressSequentially('I am')
  await page.getByText('Safari on iPhone is writing').waitFor()
  await page.getByText('Also open: Safari on iPhone').waitFor()
  await other.close()
  await page.getByText('Also open').waitFor({ state: 'detached' })
}

export const edit_retry_branches_and_fork: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'Branches' })
  await ask(stage, id, 'What is 2 plus 3?')
  await settled(stage, id)
  await stage.open(`/s/${id}`)
  await composer(page).press('ArrowUp')
  const editor = page.getByRole('textbox', { name: 'Edit the question' })
  await editor.fill('What is 4 plus 4?')
  await editor.press('Enter')
  await page.getByText('2/2').waitFor()
  await settled(stage, id, 2)
  await page.getByRole('button', { name: 'Branch before' }).click()
  await page.getByText('1/2').waitFor()
  await page.getByText('What is 2 plus 3?').waitFor()
  await page.getByRole('button', { name: 'Answer again' }).click()
  await page.getByText('3/3').waitFor()
  const { turns } = await settled(stage, id, 3)
  assert.equal(turns.length, 3)
  await page.getByRole('button', { name: 'Fork from here' }).click()
  await page.waitForURL((url) => /\/s\/ses_/.test(url.pathname) && !url.pathname.endsWith(id))
  await page.getByText('What is 2 plus 3?').waitFor()
}

export const drafts_are_kept: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'Draft' })
  await stage.open(`/s/${id}`)
  await composer(page).fill('half a thou')
  await page.reload()
  await until('the draft', () => composer(page).inputValue(), (text) => text === 'half a thou')
  assert.equal((await shown(stage, id)).turns.length, 0)
}

export const reading_further_up_is_left_alone: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'Scroll' })
  for (let turn = 0; turn < 3; turn++) await ask(stage, id, STORY)
  await settled(stage, id, 3)
  await stage.open(`/s/${id}`)
  await page.locator('.turn').nth(2).waitFor()
  const log = page.getByRole('log')
  await until('the end', () => log.evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight), (left) => left < 24)
  await log.hover()
  await page.mouse.wheel(0, -500)
  const jump = page.getByRole('button', { name: 'Jump to latest' })
  await jump.waitFor()
  const at = await log.evaluate((one) => one.scrollTop)
  const focus = await page.evaluate(() => document.activeElement?.tagName)
  await ask(stage, id, STORY)
  await settled(stage, id, 4)
  await sameEverywhere(stage, id, [page])
  assert.ok(Math.abs((await log.evaluate((one) => one.scrollTop)) - at) < 3, 'the view moved')
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), focus)
  await jump.click()
  await until('the end again', () => log.evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight), (left) => left < 24)
}

const DOT =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const picture = { name: 'dot.png', mimeType: 'image/png', buffer: Buffer.from(DOT, 'base64') }

export const a_model_without_eyes_says_so: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'Blind' })
  await stage.open(`/s/${id}`)
  await composer(page).waitFor()
  await paste(stage)
  await page.getByText(/cannot see pictures\./).first().waitFor()
  await remove(stage, id)
  await page.getByText('This session is not there').waitFor()
}

export const pictures_come_by_button_paste_and_drop: Case = async (stage) => {
  const { page } = stage
  await page.route('**/v1/models', async (route) => {
    const answer = await route.fetch()
    const told = (await answer.json()) as { data: { pomona: { modalities: string[] } }[] }
    for (const model of told.data) model.pomona.modalities = ['text', 'image']
    await route.fulfill({ json: told })
  })
  const { id } = await make(stage, { title: 'Eyes' })
  const sent: string[] = []
  page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => sent.push(String(payload))))
  await stage.open(`/s/${id}`)
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Attach pictures' }).click()
  await (await chooser).setFiles(picture)
  await page.getByRole('img', { name: 'dot.png' }).waitFor()
  await paste(stage)
  await drop(stage)
  await until('three pictures', () => page.getByRole('button', { name: /^Remove / }).count(), (count) => count === 3)
  await page.getByRole('button', { name: /^Remove / }).first().click()
  await composer(page).fill('What is this?')
  await composer(page).press('Enter')
  const said = await until('the question', () => Promise.resolve(sent.find((one) => one.includes('"submit"'))), Boolean)
  const { input } = JSON.parse(said ?? '{}') as { input: { content: { type: string; media_type?: string }[] }[] }
  assert.deepEqual(input[0]?.content.map(({ type }) => type), ['image', 'image', 'text'])
  assert.equal(input[0]?.content[0]?.media_type, 'image/png')
}

export const a_model_with_eyes_is_shown_pictures: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'A look' })
  await stage.open(`/s/${id}`)
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Attach pictures' }).click()
  await (await chooser).setFiles(picture)
  await paste(stage)
  await drop(stage)
  await until('three pictures', () => page.getByRole('button', { name: /^Remove / }).count(), (count) => count === 3)
  await composer(page).fill('What is this?')
  await composer(page).press('Enter')
  const { turns } = await settled(stage, id)
  assert.equal(turns[0]?.state, 'finished')
  assert.ok(words(turns[0]?.answer ?? '').length > 0)
  for (const look of ['at once', 'after a reload']) {
    const seen = page.locator('.turn').getByRole('img', { name: /^Attached, number / })
    await until(`pictures ${look}`, () => seen.evaluateAll(drawn), (widths) => widths.join() === '1,1,1')
    await until(`the answer ${look}`, async () => words((await answers(page))[0] ?? ''), (text) => text.length > 0)
    await page.reload()
  }
}
a_model_with_eyes_is_shown_pictures.at = 'eyes'

/** Widths of what was decoded. Runs in the page. */
const drawn = (all: Element[]): number[] => all.map((one) => (one as HTMLImageElement).naturalWidth)

const paste = ({ page }: Stage) => composer(page).evaluate(give, { kind: 'paste', data: DOT })
const drop = ({ page }: Stage) => composer(page).evaluate(give, { kind: 'drop', data: DOT })

/** Runs in the page, as the browser does for a person. */
function give(field: Element, { kind, data }: { kind: string; data: string }): void {
  const file = new File([Uint8Array.from(atob(data), (char) => char.charCodeAt(0))], 'dot.png', { type: 'image/png' })
  const transfer = new DataTransfer()
  transfer.items.add(file)
  const how = { bubbles: true, cancelable: true }
  if (kind === 'paste') field.dispatchEvent(new ClipboardEvent('paste', { ...how, clipboardData: transfer }))
  else field.dispatchEvent(new DragEvent('drop', { ...how, dataTransfer: transfer }))
}

export const everything_by_keyboard: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: 'Keys' })
  await page.addInitScript((one) => localStorage.setItem('pomona.cards', JSON.stringify({ open: [one], closed: [] })), id)
  await stage.open('/')
  await composer(page).waitFor()
  await page.keyboard.press('1')
  await page.keyboard.type('What is 1 plus 1?')
  await page.keyboard.press('Enter')
  await settled(stage, id)
  await page.keyboard.press('ControlOrMeta+.')
  await page.waitForURL(`${stage.url}/s/${id}`)
  await composer(page).waitFor()
  await page.keyboard.press('ControlOrMeta+/')
  await page.waitForFunction(() => document.activeElement?.matches('select'))
}

export const pages_are_accessible: Case = async (stage) => {
  const { id } = await make(stage, { title: 'A session with a rather long title that has to be cut somewhere', tags: ['fruit'] })
  await ask(stage, id, STORY)
  await settled(stage, id)
  await stage.page.addInitScript((one) => localStorage.setItem('pomona.cards', JSON.stringify({ open: [one], closed: [] })), id)
  await checkEverywhere(stage, '/', async (page) => void (await page.getByText('The end.').first().waitFor()))
  await checkEverywhere(stage, `/s/${id}`, async (page) => void (await page.getByText('The end.').first().waitFor()))
}
