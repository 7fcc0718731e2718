// One registry of what the keyboard can do. The `?` sheet and the command palette read it; pages put their own
// commands in while they are open. Reading a key press is pure, so that it can be tested without a page.
import { isMac } from './browser'

export interface Command {
  id: string
  /** `Mod+K`, `?`, `g c` (one after the other); none for a command of the palette alone. Mod is ⌘ or Ctrl. */
  keys?: string
  title: string
  group: string
  run: () => void
  /** Not offered while this is false. */
  when?: () => boolean
  /** False keeps it out of the palette: it makes sense with its key alone. */
  palette?: boolean
}

export interface KeyPress {
  key: string
  ctrlKey: boolean
  metaKey: boolean
  shiftKey: boolean
  altKey: boolean
}

/** A second key that comes later than this does not belong to the first one. */
const SEQUENCE_MS = 1200

const commands: Command[] = []

/** Puts a command in; the answer takes it out. Good as the body of an `$effect`. */
export function register(command: Command): () => void {
  commands.push(command)
  return () => {
    const at = commands.indexOf(command)
    if (at >= 0) commands.splice(at, 1)
  }
}

/** What can be done now, in the order of registration. */
export function list(): Command[] {
  return commands.filter(isOffered)
}

/** Everything that has keys, whether or not it makes sense now. */
export function listKeys(): Command[] {
  return commands.filter(({ keys }) => keys)
}

const isOffered = (command: Command): boolean => command.when?.() ?? true

/** Whether these keys are typed while writing: then they can be switched off, and never fire in a field. */
export const isPlain = (keys: string): boolean => !keys.split(' ').some((stroke) => /\b(Mod|Ctrl)\+/.test(stroke))

/** Whether a key press is this stroke. Shift only counts where the stroke names it: `?` is Shift+ß or Shift+/. */
export function isStroke(stroke: string, press: KeyPress, mac: boolean): boolean {
  const parts = stroke === '+' ? ['+'] : stroke.split('+')
  const key = parts.pop() ?? ''
  const wantsMod = parts.includes('Mod')
  const mod = mac ? press.metaKey : press.ctrlKey
  const other = mac ? press.ctrlKey : press.metaKey
  if (mod !== wantsMod || other || press.altKey !== parts.includes('Alt')) return false
  if (press.shiftKey !== parts.includes('Shift') && (wantsMod || parts.includes('Shift') || key.length > 1)) return false
  return press.key.toLowerCase() === key.toLowerCase()
}

/** Follows key presses, and says which command one completes. Keeps the beginning of a sequence. */
export class Reader {
  #typed: KeyPress[] = []
  #lastAt = 0

  read(press: KeyPress, now: number, mac: boolean, candidates: Command[]): Command | undefined {
    if (now - this.#lastAt > SEQUENCE_MS) this.#typed = []
    this.#lastAt = now
    this.#typed.push(press)
    let isBeginning = false
    // The last one registered wins: a page's own command goes before the app's.
    for (const command of candidates.toReversed()) {
      const strokes = command.keys?.split(' ') ?? []
      const isSoFar = this.#typed.every((each, at) => {
        const stroke = strokes[at]
        return stroke !== undefined && isStroke(stroke, each, mac)
      })
      if (!isSoFar) continue
      if (strokes.length === this.#typed.length) {
        this.#typed = []
        return command
      }
      isBeginning = true
    }
    if (isBeginning) return undefined
    const wasSecond = this.#typed.length > 1
    this.#typed = []
    // What did not continue a sequence may begin something itself.
    return wasSecond ? this.read(press, now, mac, candidates) : undefined
  }
}

/** Listens to the page. `arePlainOn` says whether shortcuts of one key are wanted. */
export function listen(arePlainOn: () => boolean, root: Document = document): () => void {
  const reader = new Reader()
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing || MODIFIERS.has(event.key)) return
    // An open dialog has the keyboard for itself.
    if (root.querySelector('dialog[open]')) return
    const withPlain = arePlainOn() && !isWriting(event.target)
    const candidates = list().filter(({ keys }) => keys && (withPlain || !isPlain(keys)))
    const command = reader.read(event, event.timeStamp, isMac(), candidates)
    if (!command) return
    event.preventDefault()
    command.run()
  }
  root.addEventListener('keydown', onKey)
  return () => root.removeEventListener('keydown', onKey)
}

const MODIFIERS = new Set(['Shift', 'Control', 'Meta', 'Alt', 'AltGraph', 'CapsLock'])

function isWriting(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target.isContentEditable || target.matches('textarea, select')) return true
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'button', 'range'].includes(target.type)
}

/** Keys as they stand on the keyboard of this reader, one list per stroke. */
export function keyCaps(keys: string, mac = isMac()): string[][] {
  const names: Record<string, string> = { Mod: mac ? '⌘' : 'Ctrl', Shift: mac ? '⇧' : 'Shift', Alt: mac ? '⌥' : 'Alt' }
  return keys.split(' ').map((stroke) =>
    stroke.split(/\+(?=.)/).map((part) => names[part] ?? (part.length === 1 ? part.toUpperCase() : part)),
  )
}
