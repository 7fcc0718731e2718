// The frame around every page: places, palette, shortcuts, connection.
import assert from 'node:assert/strict'
import { checkAccessible, checkEverywhere, until, type Case } from './fixtures'

export const the_palette_goes_to_pages: Case = async ({ page, url, open }) => {
  await open('/settings')
  await page.keyboard.press('ControlOrMeta+k')
  await page.getByRole('combobox', { name: 'Search commands' }).fill('flee')
  await checkAccessible(page, 'palette')
  await page.keyboard.press('Enter')
  await page.waitForURL(`${url}/fleet`)
  await until(
    'the heading has the focus',
    () => page.evaluate(() => document.activeElement?.tagName ?? ''),
    (tag) => tag === 'H1',
  )
}

export const keys_go_to_pages_and_can_be_switched_off: Case = async ({ page, url, open }) => {
  await open('/settings')
  await page.keyboard.press('g')
  await page.keyboard.press('m')
  await page.waitForURL(`${url}/models`)
  await page.keyboard.press('g')
  await page.keyboard.press(',')
  await page.waitForURL(`${url}/settings`)
  await page.getByRole('switch', { name: 'Shortcuts of a single key' }).uncheck()
  await page.getByRole('heading', { name: 'Settings', level: 1 }).focus()
  await page.keyboard.press('g')
  await page.keyboard.press('m')
  await page.waitForTimeout(300)
  assert.equal(page.url(), `${url}/settings`)
}

export const the_sheet_lists_the_shortcuts: Case = (stage) =>
  checkEverywhere(stage, '/settings', async (page) => {
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
  })

export const the_bell_opens: Case = (stage) =>
  checkEverywhere(stage, '/settings', async (page) => {
    await page.getByRole('button', { name: /^Notices/ }).click()
    await page.getByRole('heading', { name: 'Notices' }).waitFor()
  })

export const the_pill_says_how_one_is_connected: Case = async ({ page, open }) => {
  await open('/settings')
  const pill = page.locator('.pill')
  await until('the pill', () => pill.innerText(), (text) => /LAN|WAN|This machine/.test(text))
  await pill.getByRole('button').click()
  await page.getByText(/^\d+ ms$|^[\d.]+ s$/).waitFor()
}

export const without_a_network_the_pill_says_so_and_comes_back: Case = async ({ page, context, open, allow }) => {
  allow(/ERR_INTERNET_DISCONNECTED|WebSocket connection/)
  await open('/settings')
  const pill = page.locator('.pill')
  await until('connected', () => pill.innerText(), (text) => /LAN|WAN|This machine/.test(text))
  await context.setOffline(true)
  await until('gone', () => pill.innerText(), (text) => /Reconnecting|Offline/.test(text), 40_000)
  await context.setOffline(false)
  await until('back', () => pill.innerText(), (text) => /LAN|WAN|This machine/.test(text), 30_000)
}

export const on_a_phone_the_places_are_at_the_bottom: Case = async ({ page, url, open }) => {
  await open('/settings')
  const nav = page.getByRole('navigation', { name: 'Main' })
  assert.equal(await nav.filter({ visible: true }).count(), 1)
  await nav.filter({ visible: true }).getByRole('button', { name: 'More' }).click()
  await page.getByRole('menuitem', { name: 'Logs' }).click()
  await page.waitForURL(`${url}/logs`)
}
on_a_phone_the_places_are_at_the_bottom.window = { viewport: { width: 375, height: 740 }, hasTouch: true, isMobile: true }
