// A block as nodes: sanitised, then given what markdown has no words for (a frame with a copy button around code,
// links that open beside the app, tables that scroll by themselves).

import { codeBlock } from './code'
import { renderHtml, type Block } from './parse'
import { sanitise } from './sanitise'

/** The nodes of a block. Code is highlighted only when the block is complete. */
export function renderBlock(block: Block, isComplete: boolean): Node[] {
  const fragment = sanitise(renderHtml(block))
  for (const pre of fragment.querySelectorAll('pre')) {
    const frame = codeBlock(pre.dataset['lang'] ?? '', pre.textContent ?? '')
    pre.replaceWith(frame.element)
    if (isComplete) frame.finish()
  }
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank'
    link.rel = 'noopener noreferrer'
  }
  for (const table of fragment.querySelectorAll('table')) {
    const scroller = document.createElement('div')
    scroller.className = 'md-table'
    scroller.tabIndex = 0
    scroller.setAttribute('role', 'group')
    scroller.setAttribute('aria-label', 'Table')
    table.replaceWith(scroller)
    scroller.append(table)
  }
  // Line breaks between blocks are the renderer's habit and depend on how the text was cut.
  return [...fragment.childNodes].filter((node) => node.nodeType !== Node.TEXT_NODE || node.textContent?.trim())
}
