// What went wrong with a request, as one type that pages can show. Knows the shape of the gateway's refusals and
// nothing of any page.

export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly requestId?: string

  constructor(status: number, code: string, message: string, requestId?: string) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.requestId = requestId
  }
}

/** Makes an error out of a refusal, whatever its body is. */
export function fromAnswer(response: Response, body: unknown): ApiError {
  const requestId = response.headers.get('x-request-id') ?? undefined
  const inner = objectIn(body, 'error')
  const code = textIn(inner, 'code') ?? `http_${response.status}`
  const message = textIn(inner, 'message') ?? `the gateway answered ${response.status}`
  return new ApiError(response.status, code, message, requestId)
}

/** A request that got no answer at all. */
export function noAnswer(cause: unknown): ApiError {
  const error = new ApiError(0, 'no_connection', 'the gateway cannot be reached')
  error.cause = cause
  return error
}

function objectIn(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
}

function textIn(value: unknown, key: string): string | undefined {
  const found = objectIn(value, key)
  return typeof found === 'string' ? found : undefined
}
