// A code leaves the address at once, and refusals say what to do.
import { afterEach, describe, expect, it } from 'vitest'
import { ApiError } from '$lib/api/errors'
import { takeCode } from './code'
import { reason } from './reasons'

afterEach(() => history.replaceState(null, '', '/'))

describe('takeCode', () => {
  it('takes it out of the address and keeps the rest', () => {
    history.replaceState(null, '', '/signin?next=%2Ffleet#code=abc-1')
    expect(takeCode()).toBe('abc-1')
    expect(location.href).toBe(`${location.origin}/signin?next=%2Ffleet`)
    expect(takeCode()).toBeUndefined()
  })

  it.each(['', '#', '#code=', '#other=1'])('finds none in %s', (hash) => {
    history.replaceState(null, '', `/signin${hash}`)
    expect(takeCode()).toBeUndefined()
  })
})

it.each([
  [new ApiError(401, 'invalid_api_key', 'm'), /does not know this key/],
  [new ApiError(401, 'code_invalid', 'm'), /link was used already or is too old/],
  [new ApiError(429, 'rate_limited', 'm'), /Too many tries/],
  [new ApiError(0, 'no_connection', 'm'), /does not answer/],
  [new ApiError(500, 'internal_error', 'the disk is full'), /the disk is full/],
  [new TypeError('x'), /Try again/],
])('%s is told calmly', (error, words) => expect(reason(error)).toMatch(words))
