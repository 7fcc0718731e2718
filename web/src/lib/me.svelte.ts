// Who is signed in at this browser: asked once, kept, and forgotten when the gateway says 401. Where to go then is
// the shell's.
import { api, ApiError, ok, whenSignedOut, type components } from './api/client'

export type Me = components['schemas']['Me']

let value = $state<Me | null | undefined>(undefined)

/** `undefined` while it is not known, `null` when nobody is signed in. */
export const me = {
  get value(): Me | null | undefined {
    return value
  },
}

whenSignedOut(() => (value = null))

/** Asks the gateway. Without an answer what was known stays. */
export async function learnMe(): Promise<void> {
  try {
    value = await ok(api.GET('/v3/me'))
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) value = null
    else throw error
  }
}

/** Signs in with a key or a one-time code; throws what the gateway says against it. */
export async function signIn(by: { key: string } | { code: string }): Promise<void> {
  await ok(api.POST('/v3/sign-in', { body: by }))
  await learnMe()
}

export async function signOut(): Promise<void> {
  await ok(api.POST('/v3/sign-out'))
  value = null
}
