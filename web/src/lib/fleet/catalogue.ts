// What lies on disks and in memories, by model: `GET /admin/nodes` says what each machine has, the feed says what its
// replicas do now. Pure; asking is the pages' business.
import type { FleetNode, FleetReplica } from './types'

/** The capability card of a model; 0 and empty mean unknown. */
export interface ModelCard {
  id: string
  architecture: string
  parameters: number
  dtype: string
  context_tokens: number
  vocabulary: number
  weight_bytes: number
  kv_bytes_per_token: number
  active_parameters: number
  quantisation: string
  modalities: string[]
  tools: boolean
  thinking: boolean
  embeddings: boolean
  loaded: boolean
}

export interface ModelOffer {
  model: string
  memory_bytes: number
  digest: string
  card: ModelCard | null
}

export interface ReplicaStatus {
  node: string
  model: string
  engine_pid: number | null
  incarnation: number
  card: ModelCard | null
  idle_ms: number
}

/** A member in `GET /admin/nodes`, as far as it is used. */
export interface NodeStatus {
  node: string
  name: string
  is_here: boolean
  joined_unix_ms: number
  path: { kind: 'lan' | 'wan'; address: string; rtt_ms: number; since_ms: number; switches: number } | null
  models: ModelOffer[]
  replicas: ReplicaStatus[]
}

export interface Held {
  node: FleetNode
  replica: FleetReplica
}

export interface Model {
  id: string
  card: ModelCard | null
  /** What a replica takes in memory, weights and KV together; the largest that any machine says. */
  memoryBytes: number
  /** Hashes of its content; more than one when machines have different files under one name. */
  digests: string[]
  onDisk: { node: string; name: string; isHere: boolean }[]
  held: Held[]
}

/** Models by name; those of machines that are away are not known. */
export function catalogue(told: NodeStatus[], nodes: FleetNode[]): Model[] {
  const models = new Map<string, Model>()
  const entry = (id: string): Model => {
    const known = models.get(id)
    if (known) return known
    const made: Model = { id, card: null, memoryBytes: 0, digests: [], onDisk: [], held: [] }
    models.set(id, made)
    return made
  }
  for (const node of told) {
    for (const offer of node.models) {
      const model = entry(offer.model)
      model.card ??= offer.card
      model.memoryBytes = Math.max(model.memoryBytes, offer.memory_bytes)
      if (offer.digest && !model.digests.includes(offer.digest)) model.digests.push(offer.digest)
      model.onDisk.push({ node: node.node, name: node.name, isHere: node.is_here })
    }
    for (const replica of node.replicas) {
      // What the engine says of what it loaded stands above what was read off the files.
      const model = entry(replica.model)
      if (replica.card) model.card = completed(replica.card, model.card)
    }
  }
  for (const node of nodes) {
    if (node.state === 'offline') continue
    for (const replica of node.replicas) entry(replica.model).held.push({ node, replica })
  }
  return [...models.values()].sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
}

function completed(engine: ModelCard, files: ModelCard | null): ModelCard {
  if (!files) return engine
  return {
    ...engine,
    architecture: engine.architecture || files.architecture,
    parameters: engine.parameters || files.parameters,
    dtype: engine.dtype || files.dtype,
    context_tokens: engine.context_tokens || files.context_tokens,
    vocabulary: engine.vocabulary || files.vocabulary,
    weight_bytes: engine.weight_bytes || files.weight_bytes,
    kv_bytes_per_token: engine.kv_bytes_per_token || files.kv_bytes_per_token,
    active_parameters: engine.active_parameters || files.active_parameters,
    quantisation: engine.quantisation || files.quantisation,
    modalities: engine.modalities.length > 0 ? engine.modalities : files.modalities,
    tools: engine.tools || files.tools,
    thinking: engine.thinking || files.thinking,
    embeddings: engine.embeddings || files.embeddings,
  }
}

export type Presence = 'ready' | 'loading' | 'failed' | 'disk'

/** Where a model stands, at its best place. */
export function presence(model: Model): Presence {
  const states = model.held.map((held) => held.replica.state)
  if (states.includes('ready')) return 'ready'
  if (states.includes('loading') || states.includes('restarting')) return 'loading'
  return states.includes('failed') ? 'failed' : 'disk'
}
