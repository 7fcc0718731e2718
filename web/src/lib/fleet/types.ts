// What a gateway tells a dashboard, in the words of its JSON. The document of the API names these answers without
// their shape, so that they are written out here.

export type NodeState = 'alive' | 'suspect' | 'draining' | 'offline'
export type ReplicaState = 'loading' | 'ready' | 'restarting' | 'failed'
export type Thermal = 'nominal' | 'fair' | 'serious' | 'critical' | 'unknown'
export type Severity = 'info' | 'warning' | 'error'

export interface Machine {
  memory_bytes: number
  memory_bytes_available: number
  disk_bytes: number
  disk_bytes_free: number
  cpu_ms: number
  resident_bytes: number
  open_fds: number
  fds_max: number
  temp_files: number
  thermal: Thermal
}

/** How far a load is; older gateways do not say. */
export interface Loading {
  stage: 'fetching' | 'reading'
  bytes_done: number
  bytes_total: number
  since_unix_ms?: number
}

export interface FleetReplica {
  model: string
  state: ReplicaState
  restarts: number
  memory_bytes: number
  sequences: number
  waiting: number
  kv_blocks_used: number
  kv_blocks_total: number
  tokens_per_s: number
  is_pinned: boolean
  error: string | null
  loading?: Loading | null
}

export interface FleetNode {
  node: string
  name: string
  role: 'node' | 'gateway'
  state: NodeState
  path: 'lan' | 'wan' | null
  rtt_ms: number
  version: string | null
  hosts: boolean
  is_here: boolean
  machine: Machine
  certificate_expires_unix_s: number
  certificate_life_s: number
  model_bytes_max: number
  model_bytes_used: number
  turns: number
  tokens_per_s: number
  replicas: FleetReplica[]
}

export interface RunningTurn {
  id: string
  model: string
  node: string | null
  key: string
  started_unix_ms: number
  age_ms: number
  tokens: number
}

export interface TurnProgress {
  id: string
  node: string | null
  tokens: number
}

export interface EndedTurn {
  id: string
  outcome: string
  tokens: number
}

export interface Quantiles {
  p50: number
  p95: number
  count: number
}

export interface RateSample {
  at_unix_ms: number
  tokens_per_s: number
  turns_per_s: number
  turns_running: number
  turns_queued: number
  first_token_ms: Quantiles
  turn_ms: Quantiles
}

export interface Notice {
  id: string
  at_unix_ms: number
  kind: string
  severity: Severity
  node: string | null
  name: string
  model: string | null
  message: string
  repeats: number
  last_unix_ms: number
  seen_by: string
  acknowledged: { at_unix_ms: number; by: string } | null
}

export type DownloadState = 'waiting' | 'running' | 'proving' | 'paused' | 'done' | 'failed'

/** A model on its way from a hub to this gateway's disk. */
export interface Download {
  id: string
  repo: string
  revision: string
  file: string | null
  model: string | null
  commit: string | null
  node: string
  name: string
  state: DownloadState
  files: number
  bytes_total: number
  bytes_done: number
  bytes_per_s: number
  eta_s: number | null
  retry: { what: string; message: string; at_unix_ms: number } | null
  error: { code: string; message: string } | null
  by: string
  started_unix_ms: number
  changed_unix_ms: number
}

export interface FleetView {
  at_unix_ms: number
  gateway: string
  name: string
  version: string
  nodes: FleetNode[]
  turns: RunningTurn[]
  turns_left_out: number
  rates: RateSample
  history: RateSample[]
  notices: Notice[]
  downloads?: Download[]
}

interface Numbered {
  /** Dense within one process of the gateway; a snapshot has that of the last event in it. */
  number: number
  at_unix_ms: number
}

export type FleetEvent = Numbered &
  (
    | { type: 'snapshot'; fleet: FleetView }
    | { type: 'node'; node: FleetNode }
    | { type: 'node_removed'; node: string }
    | { type: 'turns'; started: RunningTurn[]; moved: TurnProgress[]; ended: EndedTurn[] }
    | { type: 'rates'; rates: RateSample }
    | { type: 'notice'; notice: Notice }
    | { type: 'download'; download: Download }
    | { type: 'download_removed'; id: string }
    | { type: 'cut'; reason: string }
  )

/** Names of the events that a gateway sends. */
export const EVENT_TYPES = [
  'snapshot',
  'node',
  'node_removed',
  'turns',
  'rates',
  'notice',
  'download',
  'download_removed',
  'cut',
] as const satisfies readonly FleetEvent['type'][]
