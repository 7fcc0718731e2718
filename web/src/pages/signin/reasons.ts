// Why somebody is not signed in, in words that say what to do next. Pure.
import { ApiError } from '$lib/api/errors'

export function reason(error: unknown): string {
  if (!(error instanceof ApiError)) return 'Signing in did not work. Try again.'
  switch (error.code) {
    case 'invalid_api_key':
      return 'This gateway does not know this key. Copy it again in full.'
    case 'code_invalid':
      return 'This link was used already or is too old. The command pomona web makes a new one.'
    case 'no_connection':
      return 'The gateway does not answer. Try again in a moment.'
  }
  if (error.status === 429) return 'Too many tries. Wait a minute, then try again.'
  return `Signing in did not work: ${error.message}.`
}
