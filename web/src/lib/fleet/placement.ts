// Where a model would fit: what the gateway says of it, or, on one that does not say, what the feed lets us reckon.
// Pure; the reckoning frees nothing to make room, so it is the more careful one.
import type { Model } from './catalogue'
import { bytes } from '$lib/ui/words'
import type { FleetNode } from './types'

export type WhyNot =
  | 'has_it'
  | 'hosts_none'
  | 'draining'
  | 'suspect'
  | 'failed'
  | 'no_weights'
  | 'memory'
  | 'offline'

export interface Place {
  node: string
  name: string
  fits: boolean
  needs_bytes: number
  free_bytes: number
  max_bytes: number
  unloads: { model: string; memory_bytes: number }[]
  has_weights: boolean
  fetch_from: string[]
  disk_bytes_free: number
  reason: WhyNot | null
  lacks_bytes: number
}

/** The answer of `GET /admin/models/{id}/placement`. */
export interface Placement {
  model: string
  weight_bytes: number
  kv_bytes: number
  best: string | null
  nodes: Place[]
}

export function reckon(model: Model, nodes: FleetNode[]): Placement {
  const places = nodes.map((node) => place(model, node))
  const best = places
    .filter((one) => one.fits)
    .sort((a, b) => Number(b.has_weights) - Number(a.has_weights) || b.free_bytes - a.free_bytes)[0]
  const weightBytes = model.card?.weight_bytes ?? 0
  return {
    model: model.id,
    weight_bytes: weightBytes,
    kv_bytes: weightBytes > 0 ? Math.max(0, model.memoryBytes - weightBytes) : 0,
    best: best?.node ?? null,
    nodes: places,
  }
}

function place(model: Model, node: FleetNode): Place {
  const free = Math.max(0, node.model_bytes_max - node.model_bytes_used)
  const needs = model.memoryBytes
  const reason = whyNot(model, node, free)
  const hasWeights = model.onDisk.some((on) => on.node === node.node)
  return {
    node: node.node,
    name: node.name,
    fits: reason === null,
    needs_bytes: needs,
    free_bytes: free,
    max_bytes: node.model_bytes_max,
    unloads: [],
    has_weights: hasWeights,
    fetch_from: hasWeights ? [] : model.onDisk.map((on) => on.node),
    disk_bytes_free: node.machine.disk_bytes_free,
    reason,
    lacks_bytes: reason === 'memory' ? needs - free : 0,
  }
}

function whyNot(model: Model, node: FleetNode, free: number): WhyNot | null {
  if (!node.hosts) return 'hosts_none'
  if (node.state === 'offline') return 'offline'
  if (node.state === 'draining') return 'draining'
  const replica = node.replicas.find((one) => one.model === model.id)
  if (replica) return replica.state === 'failed' ? 'failed' : 'has_it'
  if (node.state === 'suspect') return 'suspect'
  if (model.onDisk.length === 0) return 'no_weights'
  return model.memoryBytes > free ? 'memory' : null
}

/** Nearly full: it fits, and hardly anything else does beside it. */
const TIGHT_SHARE = 0.9

export type Verdict = { tone: 'good' | 'warning' | 'bad' | 'neutral'; text: string }

/** What a person reads of a place. */
export function verdict(place: Place): Verdict {
  if (place.fits) return fitting(place)
  switch (place.reason) {
    case 'memory':
      return { tone: 'bad', text: `Does not fit: lacks ${bytes(place.lacks_bytes)}` }
    case 'has_it':
      return { tone: 'neutral', text: 'Has it already' }
    case 'hosts_none':
      return { tone: 'neutral', text: 'Hosts no models' }
    case 'draining':
      return { tone: 'neutral', text: 'Is draining' }
    case 'suspect':
      return { tone: 'neutral', text: 'Is silent' }
    case 'failed':
      return { tone: 'bad', text: 'Failed to load it before' }
    case 'no_weights':
      return { tone: 'bad', text: 'No machine that is reached has its files' }
    case 'offline':
      return { tone: 'neutral', text: 'Is offline' }
    default:
      return { tone: 'neutral', text: 'Cannot take it now' }
  }
}

function fitting(place: Place): Verdict {
  if (place.unloads.length > 0) {
    return { tone: 'warning', text: `Fits once ${place.unloads.map((one) => one.model).join(', ')} is unloaded` }
  }
  const share = (place.max_bytes - place.free_bytes + place.needs_bytes) / Math.max(1, place.max_bytes)
  return share > TIGHT_SHARE ? { tone: 'warning', text: 'Fits, tight' } : { tone: 'good', text: 'Fits' }
}
