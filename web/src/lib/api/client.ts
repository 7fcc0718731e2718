// Requests to the gateway that served this page, typed from its own description (`npm run gen:api`). A 401 anywhere
// tells `lib/me`; what to do then is the shell's.
import createClient from 'openapi-fetch'
import { ApiError, fromAnswer, noAnswer } from './errors'
import type { paths } from './schema'

export { ApiError } from './errors'
export type { components, paths } from './schema'

export const api = createClient<paths>({ baseUrl: location.origin, credentials: 'same-origin' })

const onSignedOut = new Set<() => void>()

/** Calls `hear` whenever the gateway says that nobody is signed in. */
export function whenSignedOut(hear: () => void): () => void {
  onSignedOut.add(hear)
  return () => onSignedOut.delete(hear)
}

/** Says what every 401 says; also for those who fetch by themselves, such as streams. */
export function saySignedOut(): void {
  for (const hear of onSignedOut) hear()
}

api.use({
  onResponse({ response }) {
    if (response.status === 401) saySignedOut()
  },
})

/** The data of an answer; anything else is an `ApiError`. */
export async function ok<T>(
  answer: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await answer.catch((cause: unknown) => {
    throw cause instanceof ApiError ? cause : noAnswer(cause)
  })
  if (!response.ok) throw fromAnswer(response, error)
  return data as T
}

/** For routes that the description has not, or whose body is no JSON: the answer when it is a good one. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, { credentials: 'same-origin', ...init }).catch((cause: unknown) => {
    throw init.signal?.aborted ? cause : noAnswer(cause)
  })
  if (response.ok) return response
  if (response.status === 401) saySignedOut()
  throw fromAnswer(response, await response.json().catch(() => undefined))
}
