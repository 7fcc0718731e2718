// What is asked of an address, and what never is.
import { afterEach, expect, it, vi } from 'vitest'

afterEach(() => vi.unstubAllGlobals())

/** A fresh module with a page whose policy is this, and a network that answers so. */
async function setUp(policy: string | null, network: (url: string) => Promise<Response>) {
  vi.resetModules()
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    if (init.method === 'HEAD') return new Response(null, { headers: policy ? { 'content-security-policy': policy } : {} })
    asked.push(`${url} ${init.mode} ${init.credentials}`)
    return network(url)
  })
  const { reach } = await import('./reach')
  return { reach, asked }
}

const good = async () => new Response('ok')

it('asks its own address without a thought for the policy', async () => {
  const { reach, asked } = await setUp("connect-src 'none'", good)
  const found = await reach(location.origin, 2)
  expect(found).toMatchObject({ verdict: 'same', answers: true })
  expect(asked).toEqual(Array(2).fill(`${location.origin}/healthz same-origin omit`))
})

it('asks nothing that the policy forbids', async () => {
  const { reach, asked } = await setUp("default-src 'self'", good)
  expect(await reach('http://192.168.1.7:9999')).toEqual({ verdict: 'policy' })
  expect(asked).toEqual([])
})

it('asks another origin without credentials', async () => {
  const { reach, asked } = await setUp(null, good)
  const found = await reach('192.168.1.7:9999', 1)
  expect(found).toMatchObject({ verdict: 'allowed', answers: true, ms: expect.any(Number) })
  expect(asked).toEqual(['http://192.168.1.7:9999/healthz no-cors omit'])
})

it('says when nothing answers', async () => {
  const { reach } = await setUp(null, () => Promise.reject(new TypeError('refused')))
  expect(await reach('http://192.168.1.7:9999')).toEqual({ verdict: 'allowed', answers: false })
})
