// What the chat says about turns, in words. Pure.

import { count, duration } from '../ui/words'
import type { Stats, Turn } from '../transcript'

export interface Line {
  text: string
  /** Of something whose end is known. */
  progress?: { done: number; total: number }
}

export interface Loading {
  /** From 0 to 1, where it is known. */
  share: number | null
}

/** What a turn is doing before its text comes. */
export function waitingLine(turn: Turn, isNext: boolean, loading: Loading | null): Line {
  if (turn.cancelAsked) return { text: 'Stopping' }
  if (turn.startedAt !== null) {
    const { prefill } = turn
    if (prefill && prefill.total > 0) {
      return { text: `Reading the prompt, ${count(prefill.done)} of ${count(prefill.total)} tokens`, progress: prefill }
    }
    return { text: turn.promptTokens ? `Reading the prompt, ${count(turn.promptTokens)} tokens` : 'Reading the prompt' }
  }
  if (!isNext) return { text: 'Waits for the answer before it' }
  if (loading) {
    const share = loading.share === null ? '' : ` ${Math.floor(loading.share * 100)} %`
    const progress = loading.share === null ? undefined : { done: loading.share * 100, total: 100 }
    return { text: `Loading ${turn.model}${share}`, progress }
  }
  if (turn.ahead === null) return { text: 'Sent' }
  if (turn.ahead === 0) return { text: `Waiting for ${turn.model}` }
  return { text: `Queued, ${count(turn.ahead)} ahead` }
}

export interface Figure {
  name: string
  value: string
  /** The name in full. */
  title: string
}

/** Figures of a turn, those that are known. */
export function figures(stats: Stats, contextMax: number): Figure[] {
  const all: Figure[] = []
  if (stats.tokensPerSecond !== null) {
    all.push({ name: 'tokens/s', value: rate(stats.tokensPerSecond), title: 'Tokens a second' })
  }
  if (stats.firstTokenMs !== null) {
    all.push({ name: 'TTFT', value: duration(stats.firstTokenMs), title: 'Time to the first token' })
  }
  if (stats.contextTokens !== null) {
    const max = contextMax > 0 ? ` / ${short(contextMax)}` : ''
    all.push({ name: 'context', value: count(stats.contextTokens) + max, title: 'Tokens of the context that are used' })
  } else if (stats.tokens > 0) {
    all.push({ name: 'tokens', value: count(stats.tokens), title: 'Tokens of the answer' })
  }
  return all
}

const rate = (value: number): string => (value < 99.95 ? value.toFixed(1) : String(Math.round(value)))

function short(tokens: number): string {
  if (tokens < 10_000) return count(tokens)
  return tokens < 1024 * 1024 ? `${Math.round(tokens / 1024)}K` : `${Math.round(tokens / (1024 * 1024))}M`
}

/** How long a model thought. */
export function thoughtFor(ms: number): string {
  return ms < 950 ? 'Thought briefly' : `Thought for ${duration(ms)}`
}

/** What a screen reader hears when an answer ends. */
export function endedText(turn: Turn, words: number): string {
  if (turn.ended === 'failed') return 'The answer failed'
  if (turn.ended === 'stopped') return `Answer stopped, ${count(words)} words`
  return `Answer finished, ${count(words)} words`
}
