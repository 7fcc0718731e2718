// Markdown that grows at its end. Blocks that nothing can change any more are drawn once and never touched again; only
// the unfinished tail is read anew. Whatever pieces the text comes in, the result is that of the whole text.

import { renderBlock } from './block'
import { codeBlock, type CodeBlock } from './code'
import { askToDraw, forget } from './draw'
import { lex } from './parse'
import { growPlain, plainEnd, type PlainEnd } from './plain'

/** A fence at the margin and its info string; indented ones change their content and take the slow way. */
const FENCE = /^(`{3,}|~{3,})([^\n]*)\n/

interface OpenCode {
  block: CodeBlock
  /** Characters of the opening line. */
  head: number
  /** Characters of the body that are shown. */
  shown: number
  closing: RegExp
}

export class MarkdownView {
  private source = ''
  private tail = ''
  private tailNodes: Node[] = []
  private openCode: OpenCode | null = null
  private plain: PlainEnd | null = null
  private hasDefinitions = false
  private isOver = false
  private heldBack = ''

  constructor(private readonly host: HTMLElement) {}

  append(text: string): void {
    if (!text || this.isOver) return
    let more = this.heldBack + text
    this.heldBack = more.endsWith('\r') ? '\r' : ''
    if (this.heldBack) more = more.slice(0, -1)
    more = more.replace(/\r\n?/g, '\n')
    this.source += more
    this.tail += more
    askToDraw(this)
  }

  /** Nothing follows. Draws at once. */
  end(): void {
    if (this.isOver) return
    this.isOver = true
    forget(this)
    this.flush(true)
    // A link may be defined behind its use, in a block that was drawn long ago.
    if (!this.hasDefinitions) return
    this.host.replaceChildren()
    this.tailNodes = []
    for (const block of lex(this.source)) this.put(renderBlock(block, true), false)
  }

  destroy(): void {
    this.isOver = true
    forget(this)
  }

  draw(): void {
    if (!this.isOver) this.flush(false)
  }

  private flush(isFinal: boolean): void {
    if (this.openCode && !isFinal && this.growCode(this.openCode)) return
    if (this.plain && !isFinal && growPlain(this.plain, this.tail)) return
    let kept = this.openCode
    this.openCode = null
    const blocks = lex(this.tail)
    this.clearTail(kept)
    let last = blocks.length - 1
    while (last >= 0 && blocks[last]?.type === 'space') last--
    let offset = 0
    let consumed = 0
    blocks.forEach((block, index) => {
      offset += block.raw.length
      if (block.type === 'def') this.hasDefinitions = true
      const fence = block.type === 'code' ? FENCE.exec(block.raw) : null
      const isClosed =
        isFinal ||
        (index < last && isFollowedByLine(this.tail.slice(offset))) ||
        (fence !== null && this.tail[offset] === '\n' && closingFence(fence[1] ?? '', '$').test(block.raw))
      // Only the tail is read again, so everything before the first open block is done, and nothing behind it.
      if (isClosed && consumed === offset - block.raw.length) {
        consumed = offset
        if (kept && block.type === 'code') {
          kept.block.finish(block.text as string)
          this.tailNodes = []
        } else this.put(renderBlock(block, true), false)
        kept = null
      } else if (fence && index === last) {
        this.openCode = kept ?? this.startCode(fence)
        this.growCode(this.openCode)
      } else {
        this.put(renderBlock(block, false), true)
      }
    })
    this.tail = this.tail.slice(consumed)
    this.plain = isFinal ? null : plainEnd(this.tail, blocks[last], this.tailNodes.at(-1))
  }

  /** Inside a fence nothing has to be read: text goes straight to its node. False when the fence may be closed. */
  private growCode(open: OpenCode): boolean {
    const body = this.tail.slice(open.head)
    if (open.closing.test(body)) return false
    const lastLine = body.lastIndexOf('\n') + 1
    const mayClose = /^ {0,3}[`~]*[ \t]*$/.test(body.slice(lastLine))
    // The line break before what may be the closing fence would be no part of the code either.
    const upTo = mayClose ? Math.max(open.shown, lastLine - 1) : body.length
    if (upTo > open.shown) {
      open.block.append(body.slice(open.shown, upTo))
      open.shown = upTo
    }
    return true
  }

  private startCode(fence: RegExpExecArray): OpenCode {
    const [line, marks = '', info = ''] = fence
    const block = codeBlock(/^[\w+#.-]*/.exec(info.trim())?.[0] ?? '', '')
    this.put([block.element], true)
    return { block, head: line.length, shown: 0, closing: closingFence(marks, '\\n') }
  }

  private put(nodes: Node[], isTail: boolean): void {
    for (const node of nodes) {
      this.host.append(node)
      if (isTail) this.tailNodes.push(node)
    }
  }

  private clearTail(kept: OpenCode | null): void {
    for (const node of this.tailNodes) if (node !== kept?.block.element) (node as ChildNode).remove()
    this.tailNodes = kept ? [kept.block.element] : []
  }
}

/** A lone "2" behind a list may still become "2. next" and join it; a complete line has decided. */
const isFollowedByLine = (rest: string): boolean => rest.trimStart().includes('\n')

/** As marked reads it: the same marks, more of them, and spaces. */
const closingFence = (marks: string, end: string): RegExp =>
  new RegExp(`(?:^|\\n) {0,3}${marks}[~\`]* *${end}`)
