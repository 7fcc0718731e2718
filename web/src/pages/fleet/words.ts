// What states are called on this page, and how they look.
import type { FleetNode, FleetReplica } from '$lib/fleet'
import { millis, span } from '$lib/fleet/units'

type Tone = 'neutral' | 'good' | 'warning' | 'bad' | 'accent'

export const NODE_STATES: Record<FleetNode['state'], { text: string; tone: Tone }> = {
  alive: { text: 'Alive', tone: 'good' },
  suspect: { text: 'Silent', tone: 'warning' },
  draining: { text: 'Draining', tone: 'warning' },
  offline: { text: 'Offline', tone: 'bad' },
}

export const REPLICA_STATES: Record<FleetReplica['state'], { text: string; tone: Tone }> = {
  ready: { text: 'Ready', tone: 'good' },
  loading: { text: 'Loading', tone: 'accent' },
  restarting: { text: 'Restarting', tone: 'warning' },
  failed: { text: 'Failed', tone: 'bad' },
}

/** `LAN, 0.7 ms`: how a machine is reached. */
export function pathOf(node: FleetNode): string {
  if (node.is_here) return 'This gateway'
  if (node.path === null) return 'Not reached'
  return `${node.path.toUpperCase()}, ${millis(node.rtt_ms)}`
}

const HEAT: Record<FleetNode['machine']['thermal'], { text: string; isBad: boolean }> = {
  nominal: { text: 'Cool', isBad: false },
  fair: { text: 'Warm', isBad: false },
  serious: { text: 'Hot, slowed down', isBad: true },
  critical: { text: 'Too hot', isBad: true },
  unknown: { text: 'Not told', isBad: false },
}

export interface Fact {
  label: string
  text: string
  isBad: boolean
}

/** Less than this is free: nothing can be taken there any more. */
const DISK_LOW_BYTES = 4 * 1024 ** 3
/** A certificate is renewed at a third of its life; with a sixth left that has failed for long. */
const CERTIFICATE_LOW = 1 / 6

export function heat(node: FleetNode): Fact {
  const { text, isBad } = HEAT[node.machine.thermal]
  return { label: 'Heat', text, isBad }
}

export function disk(node: FleetNode, bytes: (count: number) => string): Fact {
  const { disk_bytes: all, disk_bytes_free: free } = node.machine
  if (all === 0) return { label: 'Disk', text: 'Not told', isBad: false }
  return { label: 'Disk', text: `${bytes(free)} free`, isBad: free < DISK_LOW_BYTES }
}

export function certificate(node: FleetNode, nowMs: number): Fact {
  const label = 'Certificate'
  const { certificate_expires_unix_s: expires, certificate_life_s: life } = node
  if (expires === 0) return { label, text: 'None', isBad: false }
  const left = expires * 1000 - nowMs
  if (left <= 0) return { label, text: 'Expired', isBad: true }
  return { label, text: `${span(left)} left`, isBad: life > 0 && left / 1000 / life < CERTIFICATE_LOW }
}

export function version(node: FleetNode, gateway: string): Fact {
  const isOther = node.version !== null && gateway !== '' && node.version !== gateway
  return { label: 'Version', text: node.version ?? 'Not seen yet', isBad: isOther }
}

const OF_DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
export const moment = (ms: number): string => OF_DAY.format(ms)
