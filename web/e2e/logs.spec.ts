// The page of logs: lines of all machines, filters in the address, following, one line, a file.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { getJson, post } from './asking'
import { checkEverywhere, until, type Case } from './fixtures'

const lines = (page: Page) => page.getByRole('log', { name: 'Log lines' }).getByRole('button')

export const logs_are_accessible: Case = (stage) =>
  checkEverywhere(stage, '/logs', async (page) => {
    await lines(page).first().waitFor()
    await page.getByRole('button', { name: 'More', exact: true }).filter({ visible: true }).first().click()
  })

export const a_line_in_full_is_accessible: Case = (stage) =>
  checkEverywhere(stage, '/logs', async (page) => {
    await lines(page).first().click()
    await page.getByRole('dialog', { name: 'Log line' }).getByText('Written by').waitFor()
  })

export const a_line_opens_and_leads_to_lines_like_it: Case = async ({ page, open }) => {
  await open('/logs?q=replica')
  await lines(page).first().click()
  const dialog = page.getByRole('dialog', { name: 'Log line' })
  await dialog.getByText('Written by').waitFor()
  await dialog.getByRole('button', { name: / only$/ }).first().click()
  await dialog.waitFor({ state: 'hidden' })
  assert.ok(new URL(page.url()).searchParams.get('node'))
}

export const filters_stand_in_the_address: Case = async ({ page, open }) => {
  await open('/logs')
  await lines(page).first().waitFor()
  await page.getByLabel('Level').selectOption('error')
  await until('the address', () => Promise.resolve(page.url()), (at) => at.includes('level=error'))
  await page.keyboard.press('/')
  await page.keyboard.type('no line says this')
  await until('the text', () => Promise.resolve(new URL(page.url()).searchParams.get('q')), (q) => q === 'no line says this')
  await page.getByText('No line passes these filters').waitFor()
  await page.reload()
  await page.getByText('No line passes these filters').waitFor()
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await lines(page).first().waitFor()
  assert.equal(new URL(page.url()).search, '')
}

export const new_lines_appear_while_one_follows: Case = async (stage) => {
  const { page, open } = stage
  await open('/logs')
  await page.getByRole('button', { name: 'Following' }).waitFor()
  const seen = await lines(page).last().innerText()
  const { gateway } = await getJson<{ gateway: string }>(stage, '/admin/fleet')
  // Draining is said in the log of whoever drains.
  await post(stage, `/admin/nodes/${gateway}/drain`)
  await post(stage, `/admin/nodes/${gateway}/undrain`)
  await until('a new line', () => lines(page).last().innerText(), (text) => text !== seen, 20_000)
}

export const the_lines_shown_become_a_file: Case = async ({ page, open }) => {
  await open('/logs')
  await lines(page).first().waitFor()
  await page.getByRole('button', { name: 'Export' }).click()
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('menuitem', { name: 'Lines shown, as text' }).click(),
  ])
  const text = await readFile(await file.path(), 'utf8')
  assert.match(text.split('\n')[0] ?? '', /^\d{4}-\d\d-\d\dT\S+Z (ERROR|WARN|INFO|DEBUG|TRACE) /)
  await page.getByRole('button', { name: 'Export' }).click()
  const [all] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('menuitem', { name: 'All of this filter, as JSON lines' }).click(),
  ])
  const last = (await readFile(await all.path(), 'utf8')).trim().split('\n').at(-1) ?? ''
  assert.equal((JSON.parse(last) as { type: string }).type, 'end')
}

export const only_what_is_in_view_is_drawn: Case = async ({ page, open }) => {
  await open('/logs')
  await lines(page).first().waitFor()
  assert.ok((await lines(page).count()) < 150)
}
