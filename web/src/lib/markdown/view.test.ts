// Any chunking of a text gives the document of the whole text.

import { describe, expect, it, vi } from 'vitest'
import { MarkdownView } from './view'

vi.mock('../ui/announcer.svelte', () => ({ announce: () => undefined }))

const DOCUMENTS = {
  prose: 'Once upon a time\nthere was *a fox* with **two `tails`** and\\\na hard break.\n\nSecond.\r\n\r\nThird line\r\n',
  headings: '# One\n\nTitle\n=====\n\ntext\n\nSub\n---\n\n### Three\ntext behind\n\n***\n\nend',
  lists: '1. one\n2. two\n\n2. again\n\n   more of it\n\n- a\n  - b\n    - c\n\n      deep\n- [ ] open\n- [x] done\n\n2 is no item\n',
  fences:
    'Before\n```py\ndef f():\n    return "`"\n\n``` not closed\n~~~\n```\nafter\n~~~~\nx\n~~~\n~~~~ \nlast\n\n```\nunclosed\n\n',
  nested: '1. code in a list:\n\n   ```rust\n   fn main() {}\n   ```\n2. next\n\n> quote\nlazy\n> ```\n> x\n> ```\n\nend',
  indented: '  ```js\n  let a\n    let b\n  ```\n\n    indented code\n\n    more\n\ntext\n',
  tables: '| a | b |\n|---|:-:|\n| 1 | `2` |\n| 3 | 4 |\n\nnot | a | table\n\n| x |\n|---|\n',
  links: 'See [late] and [this](https://example.com "tip") and https://example.org.\n\n[late]: https://example.net\n\nend\n',
  markup: '<div onclick="x()">\n<b>bold</b>\n\n</div>\n\ninline <i>tag</i> and <!-- comment\n\nstill? -->\n\nend',
  plain:
    'Finn, who "lived" under it. He-man said\n2. apples and\nmore, www.example.com ok a@b.co and https://x.org/a-b, end.\n\n1\n\n2. second\n\n- item one. two\n  goes on\n- *em* and *open\n\n# Head line\n3 apples, [x] a\n',
  breaks: 'a\n\n\n\n   \nb\n\t\nc\n\n\tcode by tab\n\nd',
  scripts: 'mé ba naïve 日本語 👩‍👩‍👧 **粗体**\n\n- élan\n',
}
// In jsdom the sanitiser costs milliseconds a block and changes nothing here; sanitise.test.ts is about it.
vi.mock('./sanitise', () => ({
  sanitise: (html: string) => {
    const template = document.createElement('template')
    template.innerHTML = html
    return template.content
  },
}))

describe('MarkdownView', () => {
  it.each(Object.entries(DOCUMENTS))('draws any chunking as the whole document: %s', (_, source) => {
    const whole = draw([source])
    expect(whole).not.toBe('')
    for (let size = 1; size <= 5; size += 2) expect(draw(pieces(source, () => size))).toBe(whole)
    for (let seed = 1; seed <= 4; seed++) {
      const next = random(seed)
      expect(draw(pieces(source, () => 1 + (next() % 40)))).toBe(whole)
    }
  })

  it('draws random documents the same however they are cut', () => {
    const next = random(7)
    const all = Object.values(DOCUMENTS).flatMap((one) => one.split(/(?<=\n)/))
    for (let round = 0; round < 25; round++) {
      const source = Array.from({ length: 8 }, () => all[next() % all.length]).join('')
      expect(draw(pieces(source, () => 1 + (next() % 9))), source).toBe(draw([source]))
    }
  })

  it('keeps the node of a block of code while it grows and when it closes', () => {
    const host = document.createElement('div')
    const view = new MarkdownView(host)
    view.append('```js\nlet a\n')
    view.draw()
    const pre = host.querySelector('pre')
    view.append('let b\n```\n\nbehind')
    view.draw()
    expect(host.querySelector('pre')).toBe(pre)
    expect(pre?.textContent).toBe('let a\nlet b')
    view.end()
    expect(host.querySelector('pre')).toBe(pre)
  })

  it('lets a selection in a growing paragraph stand', () => {
    const host = document.createElement('div')
    const view = new MarkdownView(host)
    view.append('Once upon a')
    view.draw()
    const text = host.querySelector('p')?.firstChild
    view.append(' time there was a fox, ')
    view.draw()
    view.append('called Finn')
    view.draw()
    expect(host.querySelector('p')?.firstChild).toBe(text)
    expect(text?.textContent).toBe('Once upon a time there was a fox, called Finn')
  })

  it('never touches a finished block again', () => {
    const host = document.createElement('div')
    const view = new MarkdownView(host)
    view.append('one\n\ntwo\n')
    view.draw()
    const first = host.firstChild
    view.append('\nthree\n\nfour')
    view.draw()
    view.end()
    expect(host.firstChild).toBe(first)
  })
})

function draw(chunks: string[]): string {
  const host = document.createElement('div')
  const view = new MarkdownView(host)
  for (const chunk of chunks) {
    view.append(chunk)
    view.draw()
  }
  view.end()
  return host.innerHTML
}

function pieces(source: string, size: () => number): string[] {
  const out: string[] = []
  for (let at = 0; at < source.length; ) {
    const length = size()
    out.push(source.slice(at, at + length))
    at += length
  }
  return out
}

function random(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) >> 8
}
