// Asks the gateway beside the page, with the cookie of its browser and the key, so that every stand-in takes it as well.
import assert from 'node:assert/strict'
import { until, type Stage } from './fixtures'

type Asker = Pick<Stage, 'page' | 'url' | 'key'>

const headers = ({ url, key }: Asker) => ({ authorization: `Bearer ${key}`, origin: url })

export async function getJson<T>(stage: Asker, path: string): Promise<T> {
  const answer = await stage.page.request.get(stage.url + path, { headers: headers(stage) })
  assert.equal(answer.status(), 200, `GET ${path}`)
  return (await answer.json()) as T
}

/** What a case that failed has unloaded is loaded again. */
export async function haveModel(stage: Asker): Promise<void> {
  const isReady = async () => {
    const { nodes } = await getJson<{ nodes: { replicas: { state: string }[] }[] }>(stage, '/admin/nodes')
    return nodes.some(({ replicas }) => replicas.some(({ state }) => state === 'ready'))
  }
  if (await isReady()) return
  const { data } = await getJson<{ data: { id: string }[] }>(stage, '/v1/models')
  assert.equal(await post(stage, `/admin/models/${data[0]?.id}/load`), 202)
  await until('a model in memory', isReady, (ready) => ready)
}

/** The body is read to its end. */
export async function post(stage: Asker, path: string, data?: object): Promise<number> {
  const answer = await stage.page.request.post(stage.url + path, { headers: headers(stage), ...(data && { data }) })
  await answer.body()
  return answer.status()
}
