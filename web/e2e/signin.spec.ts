// Signing in and out: by key, by a link that does not work, and back to where one was.
import assert from 'node:assert/strict'
import { checkEverywhere, type Case } from './fixtures'

export const a_pasted_key_signs_in_and_leads_back: Case = async ({ page, url, key, open }) => {
  await open('/models?q=sprout')
  await page.waitForURL(/\/signin\?next=/)
  await page.getByLabel('Key', { exact: true }).fill(`  ${key}\n`)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${url}/models?q=sprout`)
  await page.getByRole('navigation', { name: 'Main' }).first().waitFor()
}
a_pasted_key_signs_in_and_leads_back.signedOut = true

export const a_wrong_key_is_refused_calmly: Case = async ({ page, open, allow }) => {
  allow(/401.*\/v3\/sign-in/)
  await open('/signin')
  await page.getByLabel('Key', { exact: true }).fill('pom_wrong')
  await page.keyboard.press('Enter')
  await page.getByText('This gateway does not know this key.').waitFor()
  const focused = await page.evaluate(() => document.activeElement?.getAttribute('name'))
  assert.equal(focused, 'key', 'the field has the focus again')
}
a_wrong_key_is_refused_calmly.signedOut = true

export const a_used_link_leaves_no_code_in_the_address: Case = async ({ page, url, open, allow }) => {
  allow(/401.*\/v3\/sign-in/)
  await open('/signin#code=used-before')
  await page.getByText('This link was used already or is too old.').waitFor()
  assert.equal(page.url(), `${url}/signin`)
}
a_used_link_leaves_no_code_in_the_address.signedOut = true

export const a_link_signs_one_browser_in: Case = async ({ page, url, key, another, allow }) => {
  allow(/401.*\/v3\/sign-in/)
  const headers = { authorization: `Bearer ${key}`, origin: url }
  const answer = await page.request.post(`${url}/v3/sign-in/link`, { headers })
  assert.equal(answer.status(), 201)
  const { path } = (await answer.json()) as { path: string }
  await page.goto(url + path)
  await page.waitForURL(`${url}/`)
  await page.getByRole('button', { name: /^Signed in as/ }).waitFor()
  await page.goto(`${url}/fleet`)
  await page.goto(url + path)
  await page.waitForURL(`${url}/`)
  const other = await another()
  await other.goto(url + path)
  await other.getByText('This link was used already or is too old.').waitFor()
}
a_link_signs_one_browser_in.signedOut = true

export const next_never_leads_to_another_site: Case = async ({ page, url, open }) => {
  await open('/signin?next=//evil.example/')
  await page.waitForURL(`${url}/`)
}

export const signing_out_leads_to_the_sign_in_page: Case = async ({ page, url, key, open, allow }) => {
  // What the page asks for at that moment is refused, whatever it is.
  allow(/401/)
  // A sign-in of its own: signing out ends it for good, and the other cases share theirs.
  await open('/signin')
  await page.getByLabel('Key', { exact: true }).fill(key)
  await page.keyboard.press('Enter')
  await page.waitForURL(`${url}/`)
  await page.getByRole('button', { name: /^Signed in as/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await page.waitForURL(/\/signin/)
  await page.getByRole('heading', { name: 'Sign in to Pomona' }).waitFor()
}
signing_out_leads_to_the_sign_in_page.signedOut = true

export const the_sign_in_page_is_accessible: Case = (stage) => checkEverywhere(stage, '/signin')
the_sign_in_page_is_accessible.signedOut = true
