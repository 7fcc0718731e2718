// Models out of what machines say, and where one would fit.
import { describe, expect, it } from 'vitest'
import { catalogue, presence, type ModelCard, type NodeStatus } from './catalogue'
import { reckon, verdict } from './placement'
import { GIB, node, replica } from './testing'

const card: ModelCard = {
  id: 'big', architecture: 'qwen3', parameters: 8e9, dtype: 'bf16', context_tokens: 40_960, vocabulary: 151_936,
  weight_bytes: 8 * GIB, kv_bytes_per_token: 1, active_parameters: 0, quantisation: '', modalities: ['text'],
  tools: true, thinking: false, embeddings: false, loaded: false,
}

function told(id: string, name: string, models: string[], over: Partial<NodeStatus> = {}): NodeStatus {
  const offers = models.map((model) => ({ model, memory_bytes: 11 * GIB, digest: 'abc', card }))
  return { node: id, name, is_here: false, joined_unix_ms: 0, path: null, models: offers, replicas: [], ...over }
}

describe('the catalogue', () => {
  it('has each model once, with everybody who has it', () => {
    const nodes = [node('n-1', 'a', { replicas: [replica('big', { state: 'loading' })] }), node('n-2', 'b')]
    const models = catalogue([told('n-1', 'a', ['big']), told('n-2', 'b', ['big', 'small'])], nodes)
    expect(models.map((model) => model.id)).toEqual(['big', 'small'])
    expect(models[0]?.onDisk.map((on) => on.name)).toEqual(['a', 'b'])
    expect(models[0]?.digests).toEqual(['abc'])
    expect(models.map(presence)).toEqual(['loading', 'disk'])
  })

  it('believes the engine more than the files, and the files where it is silent', () => {
    const engine = { ...card, parameters: 7, architecture: '', tools: false, loaded: true }
    const replicas = [{ node: 'n-1', model: 'big', engine_pid: 1, incarnation: 1, card: engine, idle_ms: 0 }]
    const [model] = catalogue([told('n-1', 'a', ['big'], { replicas })], [])
    expect(model?.card).toMatchObject({ parameters: 7, architecture: 'qwen3', tools: true, loaded: true })
  })
})

describe('the reckoning', () => {
  const nodes = [
    node('n-1', 'roomy'),
    node('n-2', 'full', { model_bytes_used: 10 * GIB }),
    node('n-3', 'thin', { hosts: false }),
    node('n-4', 'has', { replicas: [replica('big')] }),
    node('n-5', 'away', { state: 'offline' }),
    node('n-6', 'leaving', { state: 'draining' }),
  ]
  const [model] = catalogue([told('n-1', 'roomy', ['big'])], nodes)
  if (!model) throw new Error('there is a model')
  const placement = reckon(model, nodes)

  it('says for each machine why not', () => {
    expect(placement.nodes.map((place) => place.reason)).toEqual([
      null, 'memory', 'hosts_none', 'has_it', 'offline', 'draining',
    ])
    expect(placement.best).toBe('n-1')
    expect(placement.nodes[1]?.lacks_bytes).toBe(3 * GIB)
    expect(placement.kv_bytes).toBe(3 * GIB)
  })

  it('has words for it', () => {
    const texts = placement.nodes.map((place) => verdict(place).text.replaceAll('\u00a0', ' '))
    expect(texts.slice(0, 3)).toEqual(['Fits', 'Does not fit: lacks 3.0 GiB', 'Hosts no models'])
  })

  it('calls tight what leaves less than a tenth', () => {
    const tight = reckon(model, [node('n-1', 'roomy', { model_bytes_used: 6 * GIB })]).nodes[0]
    expect(tight && verdict(tight)).toEqual({ tone: 'warning', text: 'Fits, tight' })
  })
})
