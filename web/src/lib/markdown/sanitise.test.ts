// What models may say to run something in the page of who reads it.

import { describe, expect, it, vi } from 'vitest'
import { MarkdownView } from './view'
import { sanitise } from './sanitise'

vi.mock('../ui/announcer.svelte', () => ({ announce: () => undefined }))

const ATTACKS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg/onload=alert(1)>',
  '<svg><animate onbegin=alert(1) attributeName=x dur=1s>',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<a href="javascript:alert(1)">x</a>',
  '<form action="javascript:alert(1)"><button>go</button></form>',
  '<body onload=alert(1)>',
  '<style>@import "https://evil.example/x.css"</style>',
  '<object data="data:text/html,<script>alert(1)</script>">',
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))',
  '[x](&#106;avascript:alert(1))',
  '[x](java\nscript:alert(1))',
  '[x](data:text/html;base64,PHNjcmlwdD4=)',
  '[x](vbscript:msgbox(1))',
  '[x]( \u0001javascript:alert(1))',
  '![x](javascript:alert(1))',
  '![x" onerror="alert(1)](https://evil.example/x.png)',
  '![x](data:image/svg+xml;base64,PHN2Zz4=)',
  '[a]: javascript:alert(1)\n\n[a]',
  '<javascript:alert(1)>',
  '```"><img src=x onerror=alert(1)>\ncode\n```',
  '```js onload=alert(1)\n</code></pre><script>alert(1)</script>\n```',
  '| <img src=x onerror=alert(1)> |\n|---|\n| [x](javascript:alert(1)) |',
  '[x](https://example.com "\\" onmouseover=\\"alert(1)")',
  '# <b onclick=alert(1)>x</b>',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<!--><img src=x onerror=alert(1)>-->',
]

describe('model output', () => {
  it.each(ATTACKS)('runs nothing: %s', (attack) => {
    for (const chunks of [[attack], [`text ${attack.slice(0, 9)}`, `${attack.slice(9)}\n\nmore\n`]]) {
      const host = document.createElement('div')
      const view = new MarkdownView(host)
      for (const chunk of chunks) {
        view.append(chunk)
        view.draw()
        check(host)
      }
      view.end()
      check(host)
    }
  })

  it('shows remote pictures as links and own ones as pictures', () => {
    const host = document.createElement('div')
    const view = new MarkdownView(host)
    view.append('![a cat](https://example.com/cat.png) ![dot](data:image/png;base64,iVBORw0KGgo=)')
    view.end()
    expect(host.querySelector('a')?.href).toBe('https://example.com/cat.png')
    expect(host.querySelector('a')?.textContent).toBe('a cat')
    expect([...host.querySelectorAll('img')].map((img) => img.src)).toEqual(['data:image/png;base64,iVBORw0KGgo='])
  })

  it('keeps languages, alignment and numbers', () => {
    const host = document.createElement('div')
    const view = new MarkdownView(host)
    view.append('```py\nx\n```\n\n7. seven\n\n| a |\n|--:|\n| 1 |\n')
    view.end()
    expect(host.querySelector('.md-code-head span')?.textContent).toBe('py')
    expect(host.querySelector('ol')?.start).toBe(7)
    expect(host.querySelector('td')?.getAttribute('align')).toBe('right')
  })

  it('is cleaned even when the renderer lets something through', () => {
    const host = document.createElement('div')
    host.append(sanitise(ATTACKS.join('\n') + '<p style="color:red" class="x" id="y" aria-label="z">t</p>'))
    check(host)
    expect(host.querySelector('[style], [class], [id], [aria-label]')).toBeNull()
  })
})

const FORBIDDEN = 'script, style, iframe, object, embed, svg, math, form, input, base, link, meta, video, audio'

function check(host: HTMLElement): void {
  expect(host.querySelector(FORBIDDEN)).toBeNull()
  for (const element of host.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      expect(name).not.toMatch(/^on|^srcdoc$|^style$/)
      if (name === 'href') expect(value).toMatch(/^(https?:\/\/|mailto:)/i)
      if (name === 'src') expect(value).toMatch(/^data:image\/(png|jpeg|gif|webp);base64,/)
    }
  }
}
