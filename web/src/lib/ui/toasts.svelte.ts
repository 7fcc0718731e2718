// Short messages at the edge of the page: what has just happened, and perhaps one thing to do about it. Three at
// most; they leave by themselves unless they are sticky. Never the only place where an error stands.
import { announce } from './announcer.svelte'
import { randomId } from '../browser'

export interface Toast {
  text: string
  tone?: 'neutral' | 'good' | 'warning' | 'bad'
  action?: { label: string; run: () => void }
  /** Stays until it is closed. */
  sticky?: boolean
}

interface Shown extends Toast {
  id: string
}

const SHOWN_MAX = 3
const SHOWN_MS = 6_000
/** One with an action has to be read and reached first. */
const ACTION_MS = 10_000

const shown = $state<Shown[]>([])
const timers = new Map<string, ReturnType<typeof setTimeout>>()

/** Shows a message; the answer takes it away. */
export function toast(message: Toast): () => void {
  const id = randomId()
  shown.push({ ...message, id })
  while (shown.length > SHOWN_MAX) dismiss((shown.find((each) => !each.sticky) ?? shown[0])?.id ?? '')
  announce(message.action ? `${message.text} ${message.action.label} is offered.` : message.text)
  wait(id)
  return () => dismiss(id)
}

export function dismiss(id: string): void {
  hold(id)
  const at = shown.findIndex((each) => each.id === id)
  if (at >= 0) shown.splice(at, 1)
}

/** Keeps a message while somebody points at it or has the focus in it. */
export function hold(id: string): void {
  clearTimeout(timers.get(id))
  timers.delete(id)
}

/** Lets its time run again. */
export function wait(id: string): void {
  const message = shown.find((each) => each.id === id)
  if (!message || message.sticky) return
  hold(id)
  timers.set(
    id,
    setTimeout(() => dismiss(id), message.action ? ACTION_MS : SHOWN_MS),
  )
}

export const toasts = {
  get shown(): readonly Shown[] {
    return shown
  },
}
