// The one hub of this tab, over `/v3/ws` of the gateway that served the page.

import { saySignedOut } from '../api/client'
import { Hub } from './hub'
import { line } from './status.svelte'
import { deviceName } from './device'
import type { LineState } from './line'

export { HubError, type AttachState } from './hub'
export type * from './events'

const one = new Hub({
  connect: () => new WebSocket(address(), ['pomona.v3']),
  name: deviceName,
  maySignIn,
  onState: (state, attempt) => {
    line.state = state
    line.attempt = attempt
  },
})

export const hub = {
  attach: one.attach.bind(one),
  submit: one.submit.bind(one),
  cancel: one.cancel.bind(one),
  typing: one.typing.bind(one),
  start: one.start.bind(one),
  stop: one.stop.bind(one),
  get state(): LineState {
    return line.state
  },
  get attempt(): number {
    return line.attempt
  },
}

function address(): string {
  const url = new URL('/v3/ws', location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  return url.href
}

/** A refused upgrade looks like a lost network from here, so the gateway is asked in words. */
async function maySignIn(): Promise<boolean> {
  const answer = await fetch('/v3/me', { credentials: 'same-origin', cache: 'no-store' })
  if (answer.status !== 401) return true
  saySignedOut()
  return false
}
