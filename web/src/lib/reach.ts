// Asks an address whether it answers, and how fast, within what browsers allow. Nothing is read from an answer of
// another origin: that it came is all that can be known there.
import { connectSources, judge, originOf, type Verdict } from './endpoints'

export type Reach =
  | { verdict: 'same' | 'allowed'; answers: true; ms: number }
  | { verdict: 'same' | 'allowed'; answers: false }
  | { verdict: 'mixed' | 'policy' | 'invalid'; answers?: undefined }

/** On a LAN an answer takes milliseconds; whoever needs longer than this is no better than the way we have. */
const ANSWER_MS = 2_500
/** The first of them opens the connection and does not count. */
const ROUNDS = 4

let sources: Promise<string[] | null> | undefined

/** What this page's policy allows; read once, while its gateway answers. */
export function learnPolicy(): Promise<string[] | null> {
  sources ??= fetch('/', { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) }).then(
    (answer) => connectSources(answer.headers.get('content-security-policy')),
    () => {
      sources = undefined
      // Not known: then nothing but the own origin is safe to ask.
      return []
    },
  )
  return sources
}

/** Whether an address answers, and its round trip in milliseconds. */
export async function reach(endpoint: string, rounds = ROUNDS): Promise<Reach> {
  const page = location.origin
  const verdict: Verdict = judge(page, endpoint, originOf(endpoint) === page ? null : await learnPolicy())
  if (verdict !== 'same' && verdict !== 'allowed') return { verdict }
  const url = `${originOf(endpoint)}/healthz`
  let best = Infinity
  try {
    for (let round = 0; round < rounds; round += 1) {
      const ms = await ask(url, verdict)
      if (round > 0 || rounds === 1) best = Math.min(best, ms)
    }
    return { verdict, answers: true, ms: best }
  } catch {
    return { verdict, answers: false }
  }
}

async function ask(url: string, verdict: 'same' | 'allowed'): Promise<number> {
  const before = performance.now()
  await fetch(url, {
    // Without CORS the answer is closed to us, but neither the browser nor the gateway has a reason to refuse.
    mode: verdict === 'same' ? 'same-origin' : 'no-cors',
    credentials: 'omit',
    cache: 'no-store',
    redirect: 'follow',
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  return performance.now() - before
}
