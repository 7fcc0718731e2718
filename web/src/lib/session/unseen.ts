// Counts answers that end while nobody looks at the tab, for its title.

import { setUnseen } from '../ui/title.svelte'

let count = 0
let isListening = false

export function countUnseen(): void {
  if (document.visibilityState === 'visible') return
  if (!isListening) document.addEventListener('visibilitychange', onVisible)
  isListening = true
  count += 1
  setUnseen(count)
}

function onVisible(): void {
  if (document.visibilityState !== 'visible') return
  count = 0
  setUnseen(0)
}
