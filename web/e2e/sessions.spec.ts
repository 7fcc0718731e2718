// The list of sessions: search, change, take along, delete.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { checkEverywhere, until, type Case } from './fixtures'
import { ask, make, settled, shown } from './sessions'

const unique = () => `t${Math.random().toString(36).slice(2, 10)}`

export const search_stands_in_the_address: Case = async (stage) => {
  const { page } = stage
  const tag = unique()
  await make(stage, { title: `Pears ${tag}`, tags: [tag] })
  await make(stage, { title: `Plums ${tag}` })
  await stage.open('/sessions')
  await page.getByRole('searchbox', { name: 'Title' }).fill(tag)
  await page.waitForURL(`**/sessions?title=${tag}`)
  await until('both', () => page.locator('main li').count(), (count) => count === 2)
  await page.getByRole('button', { name: tag, exact: true }).click()
  await page.waitForURL(`**/sessions?title=${tag}&tag=${tag}`)
  await until('one', () => page.locator('main li').count(), (count) => count === 1)
  await page.reload()
  await page.getByRole('link', { name: `Pears ${tag}` }).waitFor()
  await page.getByRole('searchbox', { name: 'Title' }).fill(`${tag}nothing`)
  await page.getByRole('button', { name: 'Clear the filters' }).click()
  await page.waitForURL('**/sessions')
}

export const words_of_an_answer_are_found: Case = async (stage) => {
  const { page } = stage
  const { id } = await make(stage, { title: unique() })
  await ask(stage, id, 'What is your name?')
  const { title } = await settled(stage, id)
  await stage.open(`/sessions?text=sprout&title=${title}`)
  await page.getByRole('link', { name: title }).click()
  await page.waitForURL(`**/s/${id}`)
}

export const rename_tag_export_import: Case = async (stage) => {
  const { page } = stage
  const title = unique()
  const { id } = await make(stage, { title })
  await ask(stage, id, 'What is 2 plus 2?')
  const before = await settled(stage, id)
  await stage.open(`/sessions?title=${title}`)
  const menu = page.getByRole('button', { name: `More about ${title}` })
  await menu.click()
  await page.getByRole('menuitem', { name: 'Rename' }).click()
  await page.getByRole('textbox', { name: 'Title' }).fill(`${title} renamed`)
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: `${title} renamed` }).waitFor()
  await page.getByRole('button', { name: `More about ${title} renamed` }).click()
  await page.getByRole('menuitem', { name: 'Tags' }).click()
  await page.getByRole('textbox', { name: 'Tags' }).fill('one, two, one')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'two', exact: true }).waitFor()
  const loading = page.waitForEvent('download')
  await page.getByRole('button', { name: `More about ${title} renamed` }).click()
  await page.getByRole('menuitem', { name: 'Export as JSON' }).click()
  const file = await loading
  assert.equal(file.suggestedFilename(), `${title}-renamed.json`)
  const content = await readFile(await file.path())
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Import' }).click()
  await (await chooser).setFiles({ name: 'session.json', mimeType: 'application/json', buffer: content })
  await page.waitForURL((url) => /^\/s\/ses_/.test(url.pathname))
  const made = await shown(stage, new URL(page.url()).pathname.slice(3))
  assert.equal(made.turns[0]?.answer, before.turns[0]?.answer)
}

export const delete_waits_for_an_undo: Case = async (stage) => {
  const { page, allow } = stage
  allow(/404/)
  const title = unique()
  const { id } = await make(stage, { title })
  await stage.open(`/sessions?title=${title}`)
  const remove = async () => {
    await page.getByRole('button', { name: `More about ${title}` }).click()
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    await page.getByRole('link', { name: title }).waitFor({ state: 'detached' })
  }
  const exists = async () => (await stage.context.request.get(`${stage.url}/v3/sessions/${id}`)).status() === 200
  await remove()
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByRole('link', { name: title }).waitFor()
  await remove()
  await page.waitForTimeout(5_000)
  assert.ok(await exists(), 'it was deleted before the time to undo was over')
  await until('it is deleted', exists, (found) => !found)
}

export const delete_is_done_when_the_page_is_left: Case = async (stage) => {
  const { page } = stage
  const title = unique()
  const { id } = await make(stage, { title })
  await stage.open(`/sessions?title=${title}`)
  await page.getByRole('button', { name: `More about ${title}` }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await page.getByRole('button', { name: 'Undo' }).waitFor()
  await page.goto('about:blank')
  const exists = async () => (await stage.context.request.get(`${stage.url}/v3/sessions/${id}`)).status() === 200
  await until('it is deleted', exists, (found) => !found)
}

export const the_list_is_accessible: Case = async (stage) => {
  await make(stage, { title: 'Apples and other fruit of the autumn, as they were kept in the cellar', tags: ['fruit', 'cellar'] })
  await checkEverywhere(stage, '/sessions', async (page) => void (await page.locator('main li').first().waitFor()))
  await checkEverywhere(stage, '/sessions?title=nobody-has-this', async (page) => {
    await page.getByText('No session fits').waitFor()
  })
}
