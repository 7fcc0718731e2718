// Asks the gateway beside the page, with the cookie of its browser and the key, so that every stand-in takes it as well.
import assert from 'node:assert/strict'
import type { Stage } from './fixtures'

type Asker = Pick<Stage, 'page' | 'url' | 'key'>

const headers = ({ url, key }: Asker) => ({ authorization: `Bearer ${key}`, origin: url })

export async function getJson<T>(stage: Asker, path: string): Promise<T> {
  const answer = await stage.page.request.get(stage.url + path, { headers: headers(stage) })
  assert.equal(answer.status(), 200, `GET ${path}`)
  return (await answer.json()) as T
}

/** The body is read to its end. */
export async function post(stage: Asker, path: string, data?: object): Promise<number> {
  const answer = await stage.page.request.post(stage.url + path, { headers: headers(stage), ...(data && { data }) })
  await answer.body()
  return answer.status()
}
