// Preferences hold over a reload, and addresses are only asked where the page's policy allows it.
import assert from 'node:assert/strict'
import { checkEverywhere, until, type Case } from './fixtures'

export const theme_and_density_hold_over_a_reload: Case = async ({ page, open }) => {
  await open('/settings')
  await page.getByRole('radio', { name: 'Dark' }).check()
  await page.getByRole('radio', { name: 'Compact' }).check()
  await open('/settings')
  const data = await page.evaluate(() => ({ ...document.documentElement.dataset }))
  assert.deepEqual(data, { theme: 'dark', density: 'compact' })
}

export const its_own_address_is_measured: Case = async ({ page, url, open }) => {
  await open('/settings')
  await page.getByRole('textbox', { name: 'LAN address' }).fill(url)
  await page.getByRole('button', { name: 'Test LAN address' }).click()
  await page.getByText(/Answers\. Round trip [\d.]+ m?s/).waitFor()
  await until('the pill', () => page.locator('.pill').innerText(), (text) => text.includes('LAN'))
}

export const an_address_that_may_not_be_asked_is_said_so: Case = async ({ page, open }) => {
  await open('/settings')
  await page.getByRole('textbox', { name: 'WAN address' }).fill('http://192.0.2.7:9999')
  await page.getByRole('button', { name: 'Test WAN address' }).click()
  // `checkQuiet` proves that the policy was not tried out.
  await page.getByText(/Not tested\. This gateway lets its page ask no other origin/).waitFor()
}

export const an_address_that_the_gateway_knows_is_offered: Case = async ({ page, open }) => {
  await page.route('**/admin/policy', (route) => route.fulfill({ json: { addresses: ['https://pomona.example'] } }))
  await open('/settings')
  await page.getByRole('button', { name: 'Use https://pomona.example' }).click()
  assert.equal(await page.getByRole('textbox', { name: 'WAN address' }).inputValue(), 'https://pomona.example')
}

export const nonsense_is_no_address: Case = async ({ page, open }) => {
  await open('/settings')
  await page.getByRole('textbox', { name: 'LAN address' }).fill('ftp://x')
  await page.getByRole('button', { name: 'Test LAN address' }).click()
  await page.getByText('This is no address.').waitFor()
}

export const the_settings_are_accessible: Case = (stage) =>
  checkEverywhere(stage, '/settings', async (page) => {
    for (const summary of await page.locator('summary').all()) await summary.click()
  })
