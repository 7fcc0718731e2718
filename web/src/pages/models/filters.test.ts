// Filters and the address say the same, and pass what they say.
import { describe, expect, it } from 'vitest'
import type { Model, ModelCard } from '$lib/fleet/catalogue'
import { node, replica } from '$lib/fleet/testing'
import { architectures, fromQuery, isFiltered, NO_FILTERS, passing, toQuery, type Filters } from './filters'

function query(filters: Filters): URLSearchParams {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(toQuery(filters))) if (value) search.set(key, value)
  return search
}

function model(id: string, card: Partial<ModelCard>, over: Partial<Model> = {}): Model {
  const whole: ModelCard = {
    id, architecture: 'llama', parameters: 0, dtype: 'bf16', context_tokens: 0, vocabulary: 0, weight_bytes: 0,
    kv_bytes_per_token: 0, active_parameters: 0, quantisation: '', modalities: ['text'], tools: false,
    thinking: false, embeddings: false, loaded: false, ...card,
  }
  return { id, card: whole, memoryBytes: 0, digests: [], onDisk: [{ node: 'n', name: 'mini', isHere: false }], held: [], ...over }
}

describe('the address', () => {
  it('reads back as it was written', () => {
    for (const filters of [
      NO_FILTERS,
      { text: 'a & b=ü', architecture: 'qwen3', capability: 'tools', where: 'disk', fits: true },
      { ...NO_FILTERS, capability: 'vision' },
    ] satisfies Filters[]) {
      expect(fromQuery(query(filters))).toEqual(filters)
    }
  })

  it('is bare without filters, and what it cannot mean is nothing', () => {
    expect(query(NO_FILTERS).toString()).toBe('')
    expect(fromQuery(new URLSearchParams('can=fly&in=moon&fit=maybe'))).toEqual(NO_FILTERS)
    expect(isFiltered(NO_FILTERS)).toBe(false)
    expect(isFiltered({ ...NO_FILTERS, fits: true })).toBe(true)
  })
})

describe('models', () => {
  const held = [{ node: node('n', 'mini'), replica: replica('small') }]
  const all = [
    model('Qwen3-8B', { architecture: 'qwen3', tools: true, thinking: true }),
    model('small', { modalities: ['text', 'vision'] }, { held }),
    { ...model('odd', {}), card: null },
  ]
  const ids = (filters: Partial<Filters>, hasRoom = () => false) =>
    passing(all, { ...NO_FILTERS, ...filters }, hasRoom).map((one) => one.id)

  it('pass by every word, whatever its case', () => {
    expect(ids({ text: 'qwen 8b' })).toEqual(['Qwen3-8B'])
    expect(ids({ text: 'MINI bf16' })).toEqual(['Qwen3-8B', 'small'])
    expect(ids({ text: 'nothing' })).toEqual([])
  })

  it('pass by what they are and can', () => {
    expect(ids({ architecture: 'qwen3' })).toEqual(['Qwen3-8B'])
    expect(ids({ capability: 'vision' })).toEqual(['small'])
    expect(ids({ capability: 'thinking' })).toEqual(['Qwen3-8B'])
  })

  it('pass by where they are and whether they fit', () => {
    expect(ids({ where: 'memory' })).toEqual(['small'])
    expect(ids({ where: 'disk' })).toEqual(['Qwen3-8B', 'odd'])
    expect(ids({ fits: true })).toEqual(['small'])
    expect(ids({ fits: true }, () => true)).toEqual(['Qwen3-8B', 'small', 'odd'])
  })

  it('have these architectures', () => {
    expect(architectures(all)).toEqual(['llama', 'qwen3'])
  })
})
