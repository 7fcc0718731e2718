// The frame around a block of code: its language, a copy button, and text that may still grow. Colours come later
// from highlight.ts, when the block is complete.

import { announce } from '../ui/announcer.svelte'
import { copyText } from '../browser'
import { highlight } from './highlight'

export interface CodeBlock {
  element: HTMLElement
  /** Adds text behind what is there, without touching what somebody may have selected. */
  append(text: string): void
  /** Nothing follows: this is the text, and it may be coloured. */
  finish(text?: string): void
}

const COPIED_MS = 2000

export function codeBlock(language: string, source: string): CodeBlock {
  const text = document.createTextNode(source)
  const code = document.createElement('code')
  code.append(text)
  const pre = document.createElement('pre')
  pre.tabIndex = 0
  pre.setAttribute('role', 'group')
  pre.setAttribute('aria-label', language ? `Code, ${language}` : 'Code')
  pre.append(code)

  const name = document.createElement('span')
  name.textContent = language || 'text'
  const head = document.createElement('div')
  head.className = 'md-code-head'
  head.append(name, copyButton(() => code.textContent ?? ''))

  const element = document.createElement('div')
  element.className = 'md-code'
  element.append(head, pre)
  return {
    element,
    append: (more) => text.appendData(more),
    finish: (whole) => {
      if (whole !== undefined && text.data !== whole) text.data = whole
      void colour(code, text.data, language)
    },
  }
}

function copyButton(source: () => string): HTMLButtonElement {
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'md-copy'
  button.textContent = 'Copy'
  button.setAttribute('aria-label', 'Copy code')
  button.onclick = async () => {
    const isCopied = await copyText(source())
    button.textContent = isCopied ? 'Copied' : 'Not allowed'
    announce(isCopied ? 'Code copied' : 'The browser does not let this page copy')
    setTimeout(() => (button.textContent = 'Copy'), COPIED_MS)
  }
  return button
}

async function colour(code: HTMLElement, source: string, language: string): Promise<void> {
  const runs = await highlight(source, language)
  if (!runs || code.textContent !== source) return
  code.replaceChildren(
    ...runs.map(([kind, text]) => {
      if (!kind) return document.createTextNode(text)
      const span = document.createElement('span')
      span.className = kind
      span.textContent = text
      return span
    }),
  )
}
