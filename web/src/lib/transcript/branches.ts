// Turns as a tree: which of them form the conversation that is read, and which stand beside each other.

import type { TurnId } from '../hub/events'
import type { Turn } from './turn'

export class Branches {
  private readonly turns = new Map<TurnId, Turn>()
  private readonly children = new Map<TurnId | null, Turn[]>()
  private leaf: TurnId | null = null

  get size(): number {
    return this.turns.size
  }

  get active(): TurnId | null {
    return this.leaf
  }

  all(): IterableIterator<Turn> {
    return this.turns.values()
  }

  get(id: TurnId): Turn | undefined {
    return this.turns.get(id)
  }

  /** Adds a turn; the one accepted last is the active leaf. */
  add(turn: Turn): void {
    this.turns.set(turn.id, turn)
    const beside = this.children.get(turn.parent)
    if (beside) beside.push(turn)
    else this.children.set(turn.parent, [turn])
    this.leaf = turn.id
  }

  choose(leaf: TurnId | null): void {
    if (leaf === null || this.turns.has(leaf)) this.leaf = leaf
  }

  /** From the first question to the active leaf. */
  branch(): Turn[] {
    const path: Turn[] = []
    let turn = this.leaf === null ? undefined : this.turns.get(this.leaf)
    while (turn) {
      path.push(turn)
      turn = turn.parent === null ? undefined : this.turns.get(turn.parent)
    }
    return path.reverse()
  }

  /** The turns with the same parent, this one among them, in the order of acceptance. */
  beside(turn: Turn): Turn[] {
    return this.children.get(turn.parent) ?? [turn]
  }

  /** The end of what was said last under a turn: where one arrives who switches to it. */
  lastLeafUnder(turn: Turn): Turn {
    let at = turn
    for (let next = this.children.get(at.id)?.at(-1); next; next = this.children.get(at.id)?.at(-1)) at = next
    return at
  }
}
