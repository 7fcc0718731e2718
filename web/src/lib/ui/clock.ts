// The time of day as something that changes: one timer for everything that shows how long ago something was.
import { createSubscriber } from 'svelte/reactivity'

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, 1000)
  return () => clearInterval(timer)
})

/** Now, in Unix milliseconds. Read in a component, it reads again every second. */
export function now(): number {
  subscribe()
  return Date.now()
}
