// Prose that grows within its line changes nothing but the last text on the page. To find that out costs less than to
// read the paragraph again, and what the reader has selected in it stays selected.

import type { Block } from './parse'

export interface PlainEnd {
  node: Text
  /** Characters of the source up to the end of the node. */
  shown: number
}

/** Neither a mark of markdown nor part of an address, wherever they stand in a line that has begun. */
const INERT = /^(?:[\p{L}\p{M}\p{N} ,'"]|(?<=\p{L})\.(?= )|(?<=\p{L})-(?=\p{L}))*$/u
const INERT_END = /[\p{L}\p{M}\p{N},]$/u
const BLOCKS = ['paragraph', 'list', 'heading']

/** The text at the end of a source, when its last block is one in which prose may simply go on. */
export function plainEnd(source: string, block: Block | undefined, drawn: Node | undefined): PlainEnd | null {
  const seen = source.trimEnd()
  if (!block || !BLOCKS.includes(block.type) || !INERT_END.test(seen)) return null
  let node = drawn
  while (node && !(node instanceof Text)) node = lastSpoken(node)
  if (!node?.data.trim() || node.parentElement?.closest('a, code')) return null
  const text = node.data.trimEnd()
  const end = text.slice(-8)
  if (!seen.endsWith(end)) return null
  if (text !== node.data) node.data = text
  return { node, shown: seen.length }
}

/** Draws what came if it is plain; false when it has to be read. */
export function growPlain(end: PlainEnd, source: string): boolean {
  const more = source.slice(end.shown).trimEnd()
  if (!INERT.test(more)) return false
  if (more) end.node.appendData(more)
  end.shown += more.length
  return true
}

/** Line breaks between elements are none of the text. */
function lastSpoken(node: Node): Node | undefined {
  let child = node.lastChild
  while (child instanceof Text && !child.data.trim()) child = child.previousSibling
  return child ?? undefined
}
