// What other parts of the app see of the fleet.
export { fleet } from './fleet.svelte'
export type { Freshness } from './freshness'
export type {
  Download,
  FleetNode,
  FleetReplica,
  Notice,
  RateSample,
  RunningTurn,
  Severity,
} from './types'
