// Signs a browser in once for all cases: gateways slow down those who try often.
import type { Browser, BrowserContext } from 'playwright-core'

export type State = Awaited<ReturnType<BrowserContext['storageState']>>

export async function signedInState(browser: Browser, url: string, key: string): Promise<State> {
  const context = await browser.newContext()
  try {
    const answer = await context.request.post(`${url}/v3/sign-in`, { data: { key }, headers: { origin: url } })
    if (answer.status() !== 204) throw new Error(`signing in: ${answer.status()} ${await answer.text()}`)
    return await context.storageState()
  } finally {
    await context.close()
  }
}
