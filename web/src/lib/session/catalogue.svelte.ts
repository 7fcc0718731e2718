// Which models may be asked, as far as the chat has to know: their names, what they can see and how much they hold.

import { request } from '../api/client'

export interface Model {
  id: string
  contextTokens: number
  seesImages: boolean
  thinks: boolean
  isLoaded: boolean
}

interface Listed {
  id: string
  pomona?: { context_tokens?: number; modalities?: string[]; thinking?: boolean; loaded?: boolean }
}

/** Loading and unloading is rare, and a model that is asked loads by itself. */
const FRESH_MS = 15_000

let models = $state.raw<Model[]>([])
let isKnown = $state(false)
let askedAt = -Infinity
let asking: Promise<void> | undefined

export const catalogue = {
  get models(): Model[] {
    return models
  },
  get isKnown(): boolean {
    return isKnown
  },
  find(id: string): Model | undefined {
    return models.find((model) => model.id === id)
  },
}

/** Asks again unless that was done a moment ago. Without an answer the list stays as it was. */
export function refreshModels(): Promise<void> {
  if (asking) return asking
  if (performance.now() - askedAt < FRESH_MS) return Promise.resolve()
  asking = ask().finally(() => (asking = undefined))
  return asking
}

async function ask(): Promise<void> {
  try {
    const { data } = (await (await request('/v1/models')).json()) as { data: Listed[] }
    models = data.map(({ id, pomona }) => ({
      id,
      contextTokens: pomona?.context_tokens ?? 0,
      seesImages: pomona?.modalities?.some((one) => one === 'image' || one === 'vision') ?? false,
      thinks: pomona?.thinking ?? false,
      isLoaded: pomona?.loaded ?? true,
    }))
    isKnown = true
    askedAt = performance.now()
  } catch {
    askedAt = -Infinity
  }
}
