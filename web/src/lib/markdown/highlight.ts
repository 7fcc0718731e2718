// Colours for code, from one worker for the whole tab: a worker per message got tabs killed on phones. Without
// workers, as in tests, code stays plain.

/** A class, empty for none, and the text that it colours. */
export type ColouredRun = [kind: string, text: string]

/** Longer code is rare, and colouring it costs more than it tells. */
const LENGTH_MAX = 60_000

interface Answer {
  id: number
  runs: ColouredRun[] | null
}

let worker: Worker | null | undefined
let lastId = 0
const waiting = new Map<number, (runs: ColouredRun[] | null) => void>()

export function highlight(source: string, language: string): Promise<ColouredRun[] | null> {
  const one = language && source.length <= LENGTH_MAX ? theWorker() : null
  if (!one) return Promise.resolve(null)
  lastId += 1
  const id = lastId
  return new Promise((resolve) => {
    waiting.set(id, resolve)
    one.postMessage({ id, source, language: language.toLowerCase() })
  })
}

function theWorker(): Worker | null {
  if (worker !== undefined) return worker
  if (typeof Worker === 'undefined') return (worker = null)
  worker = new Worker(new URL('./highlight.worker.ts', import.meta.url), { type: 'module' })
  worker.onmessage = ({ data }: MessageEvent<Answer>) => {
    waiting.get(data.id)?.(data.runs)
    waiting.delete(data.id)
  }
  worker.onerror = () => {
    for (const resolve of waiting.values()) resolve(null)
    waiting.clear()
    worker = null
  }
  return worker
}
