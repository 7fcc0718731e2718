// Which models are shown, as the address of the page says it. Pure: an address reads back as the filters that wrote it,
// and what it says that nobody offers counts as nothing.
import { presence, type Model } from '$lib/fleet/catalogue'

export const CAPABILITIES = ['vision', 'tools', 'thinking', 'embeddings'] as const
export type Capability = (typeof CAPABILITIES)[number]

export const PLACES = ['memory', 'disk'] as const
export type Where = (typeof PLACES)[number]

export interface Filters {
  text: string
  architecture: string
  capability: Capability | ''
  where: Where | ''
  /** Only those for which some machine has room, or that are in memory already. */
  fits: boolean
}

export const NO_FILTERS: Filters = { text: '', architecture: '', capability: '', where: '', fits: false }

export function fromQuery(query: URLSearchParams): Filters {
  const oneOf = <T extends string>(value: string | null, known: readonly T[]): T | '' =>
    known.find((one) => one === value) ?? ''
  return {
    text: query.get('q') ?? '',
    architecture: query.get('arch') ?? '',
    capability: oneOf(query.get('can'), CAPABILITIES),
    where: oneOf(query.get('in'), PLACES),
    fits: query.get('fit') === '1',
  }
}

/** Fields of the address; `null` takes one out of it. */
export function toQuery(filters: Filters): Record<string, string | null> {
  return {
    q: filters.text || null,
    arch: filters.architecture || null,
    can: filters.capability || null,
    in: filters.where || null,
    fit: filters.fits ? '1' : null,
  }
}

export const isFiltered = (filters: Filters): boolean => Object.values(toQuery(filters)).some((value) => value !== null)

/** Those that pass. `hasRoom` says whether some machine could take one. */
export function passing(models: Model[], filters: Filters, hasRoom: (model: Model) => boolean): Model[] {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean)
  return models.filter((model) => {
    const isHeld = presence(model) !== 'disk'
    return (
      words.every((word) => haystack(model).includes(word)) &&
      (!filters.architecture || model.card?.architecture === filters.architecture) &&
      (!filters.capability || can(model, filters.capability)) &&
      (!filters.where || (filters.where === 'memory') === isHeld) &&
      (!filters.fits || isHeld || hasRoom(model))
    )
  })
}

export function can(model: Model, capability: Capability): boolean {
  const card = model.card
  if (!card) return false
  return capability === 'vision' ? card.modalities.includes('vision') : card[capability]
}

function haystack(model: Model): string {
  const card = model.card
  return [model.id, card?.architecture, card?.quantisation, card?.dtype, ...model.onDisk.map((on) => on.name)]
    .join(' ')
    .toLowerCase()
}

/** Architectures that there are, for the select. */
export function architectures(models: Model[]): string[] {
  const found = new Set(models.map((model) => model.card?.architecture).filter((one) => one !== undefined && one !== ''))
  return [...found].filter((one) => one !== undefined).sort((a, b) => a.localeCompare(b))
}
