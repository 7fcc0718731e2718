// What highlight.js says, as runs of one class each. Its HTML knows spans and escapes alone, so that a small reader
// does, and the page never has to take HTML from a worker.

import type { ColouredRun } from './highlight'

const PIECE = /<span class="([^"]*)">|<\/span>|([^<]+)/g
const NAMES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'" }

export function runsOf(html: string): ColouredRun[] {
  const runs: ColouredRun[] = []
  const open: string[] = []
  for (const [whole, kind, text] of html.matchAll(PIECE)) {
    if (kind !== undefined) open.push(kind)
    else if (text === undefined) open.pop()
    else runs.push([open.at(-1) ?? '', text.replace(/&(?:amp|lt|gt|quot|#x27);/g, (name) => NAMES[name] ?? whole)])
  }
  return runs
}
