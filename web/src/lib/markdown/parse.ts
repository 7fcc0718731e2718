// Markdown to HTML text, one block at a time. What a model writes is never HTML of ours: its tags are shown as text,
// its addresses are checked here and again by the sanitiser in sanitise.ts.

import { Marked, type Token, type TokensList } from 'marked'

const SAFE_LINK = /^(?:https?:\/\/|mailto:)/i
const SAFE_IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,/i
/** A page has one h1 and its cards have h2; what a model calls a heading comes below both. */
const HEADING_OFFSET = 2

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char)

const marked = new Marked({ gfm: true, breaks: false })

marked.use({
  renderer: {
    html(token) {
      const text = escapeHtml(token.text.trimEnd())
      return 'block' in token && token.block ? `<p>${text}</p>\n` : escapeHtml(token.text)
    },
    heading({ tokens, depth }) {
      const level = Math.min(6, depth + HEADING_OFFSET)
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`
    },
    code({ text, lang }) {
      const name = /^[\w+#.-]*/.exec(lang ?? '')?.[0] ?? ''
      return `<pre data-lang="${escapeHtml(name)}"><code>${escapeHtml(text)}</code></pre>\n`
    },
    link({ href, title, tokens }) {
      const inner = this.parser.parseInline(tokens)
      if (!SAFE_LINK.test(href)) return inner
      const tip = title ? ` title="${escapeHtml(title)}"` : ''
      return `<a href="${escapeHtml(href)}"${tip}>${inner}</a>`
    },
    // A remote picture would tell its server who reads; it is a link until somebody follows it.
    image({ href, text }) {
      const alt = escapeHtml(text || 'image')
      if (SAFE_IMAGE.test(href)) return `<img src="${escapeHtml(href)}" alt="${alt}">`
      return SAFE_LINK.test(href) ? `<a href="${escapeHtml(href)}">${alt}</a>` : alt
    },
    checkbox({ checked }) {
      return checked ? '☑ ' : '☐ '
    },
  },
})

export type Block = Token

export const lex = (source: string): TokensList => marked.lexer(source)

export const renderHtml = (block: Block): string => marked.parser([block])
