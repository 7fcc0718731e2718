// What is asked before something that cannot be taken back, and what is done then. The dialog is the page's.
import type { FleetNode, FleetReplica } from '$lib/fleet'
import { attempt, drainNode, removeNode, unloadModel } from '$lib/fleet/actions'
import { count, plural } from '$lib/ui/words'

export interface Question {
  title: string
  message: string
  /** What the button does, as a verb. */
  confirm: string
  danger: boolean
  run: () => Promise<unknown>
}

export function drainQuestion(node: FleetNode): Question {
  const now = node.turns === 0 ? 'None' : count(node.turns)
  return {
    title: `Drain ${node.name}?`,
    message:
      'It takes no new turns, and those that run there move to other machines or end in peace. ' +
      `${now} of this gateway ${node.turns > 1 ? 'run' : 'runs'} there now.`,
    confirm: 'Drain',
    danger: false,
    run: () => attempt(() => drainNode(node.node), `${node.name} drains.`),
  }
}

export function removeQuestion(node: FleetNode): Question {
  return {
    title: `Remove ${node.name}?`,
    message:
      'It is out of the cluster at once, and its certificate is worth nothing any more. ' +
      'It needs a new token to come back.',
    confirm: 'Remove',
    danger: true,
    run: () => attempt(() => removeNode(node.node), `${node.name} was removed.`),
  }
}

export function unloadQuestion(node: FleetNode, replica: FleetReplica): Question {
  const busy = replica.sequences + replica.waiting
  return {
    title: `Unload ${replica.model} from ${node.name}?`,
    message:
      busy > 0
        ? `${plural(busy, 'turn')} ${busy === 1 ? 'runs' : 'run'} there: turns move to another machine that has the model, or end first.`
        : 'Nobody uses it there now. The next question for it may have to load it again.',
    confirm: 'Unload',
    danger: true,
    run: () => attempt(() => unloadModel(replica.model, node.node), `Unloading ${replica.model} from ${node.name}.`),
  }
}
