// Lines of logs as the gateway writes them: one JSON object per line, each with a type. Pure. What is no line is passed
// over, because a gateway that is cut off in the middle of one is no reason to show none.
import type { Level } from './filter'

export interface Line {
  at_us: number
  time: string
  level: Level
  node: string
  target: string
  message: string
  fields?: Record<string, unknown>
}

export interface Missing {
  node: string
  message: string
}

export interface Answer {
  /** The oldest first. */
  lines: Line[]
  /** Machines that did not answer. */
  missing: Missing[]
  /** There are more. */
  isCut: boolean
}

/** Lines that are kept in memory; the oldest go first. */
export const LINES_MAX = 20_000

export function parseAnswer(body: string): Answer {
  const answer: Answer = { lines: [], missing: [], isCut: false }
  for (const text of body.split('\n')) {
    const told = parseObject(text)
    if (!told) continue
    if (told.type === 'end') answer.isCut = told.is_cut === true
    else if (told.type === 'missing' && isMissing(told)) answer.missing.push({ node: told.node, message: told.message })
    else if (told.type === 'line' && isLine(told)) answer.lines.push(told)
  }
  return answer
}

/** One event of a stream that is followed. */
export function parseLine(text: string): Line | null {
  const told = parseObject(text)
  return told && isLine(told) ? told : null
}

export function parseMissing(text: string): Missing | null {
  const told = parseObject(text)
  return told && isMissing(told) ? { node: told.node, message: told.message } : null
}

type Told = Record<string, unknown>

function parseObject(text: string): Told | null {
  if (!text.trim()) return null
  try {
    const told: unknown = JSON.parse(text)
    return typeof told === 'object' && told !== null ? (told as Told) : null
  } catch {
    return null
  }
}

const isMissing = (told: Told): told is Told & Missing =>
  typeof told.node === 'string' && typeof told.message === 'string'

function isLine(told: Told): told is Told & Line {
  const texts = ['time', 'level', 'node', 'target', 'message']
  return typeof told.at_us === 'number' && texts.every((field) => typeof told[field] === 'string')
}

/** Names a line: machines may write at the same moment, and one machine the same twice. */
export const keyOf = (line: Line): string => `${line.at_us} ${line.node} ${line.target} ${line.message}`

/** New lines behind old ones, without those that are there, and no more than are kept. */
export function appended(old: Line[], fresh: Line[]): Line[] {
  if (fresh.length === 0) return old
  const from = fresh.reduce((least, line) => Math.min(least, line.at_us), Infinity)
  // Lines come nearly in order, so that only the end can hold the same ones.
  const known = new Set<string>()
  for (let at = old.length - 1; at >= 0; at -= 1) {
    const line = old[at]
    if (!line || line.at_us < from) break
    known.add(keyOf(line))
  }
  const added = fresh.filter((line) => !known.has(keyOf(line)))
  if (added.length === 0) return old
  const newest = old[old.length - 1]
  const all = [...old, ...added]
  if (newest && from < newest.at_us) all.sort((a, b) => a.at_us - b.at_us)
  return all.slice(-LINES_MAX)
}

/** Older lines before those that are there. */
export function prepended(old: Line[], older: Line[]): Line[] {
  const first = old[0]
  if (!first) return older
  const known = new Set(old.filter((line) => line.at_us - first.at_us < 1000).map(keyOf))
  return [...older.filter((line) => line.at_us <= first.at_us && !known.has(keyOf(line))), ...old]
}

/** `pomona_actors::fleet::view` is `fleet`: the part of the program that a person may ask for. */
export function actorOf(line: Line): string {
  const parts = line.target.split('::')
  return parts[1] ?? parts[0] ?? line.target
}

/** `key=value`, as the files have it. */
export function fieldsOf(line: Line): string {
  return Object.entries(line.fields ?? {})
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
}

/** The turn that a line is about, if it says so. */
export function turnOf(line: Line): string | null {
  const turn = line.fields?.turn
  return typeof turn === 'string' ? turn : null
}

/** One line of text, as a terminal would show it. */
export function asText(line: Line): string {
  const fields = fieldsOf(line)
  return `${line.time} ${line.level.toUpperCase().padEnd(5)} ${line.node} ${line.target}: ${line.message}${fields && ` ${fields}`}`
}
