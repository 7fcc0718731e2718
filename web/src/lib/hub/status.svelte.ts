// The state of the one line, as something that components may read.

import type { LineState } from './line'

export const line = $state<{ state: LineState; attempt: number }>({ state: 'connecting', attempt: 0 })
