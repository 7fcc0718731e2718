// The one place where HTML text becomes nodes. DOMPurify with an allow-list; the result is a fragment, so that no
// caller ever holds HTML text that was not through here.

import purify from 'dompurify'

const TAGS = [
  'a', 'blockquote', 'br', 'code', 'del', 'em', 'h3', 'h4', 'h5', 'h6', 'hr', 'img', 'li', 'ol', 'p', 'pre',
  'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul',
]
const ATTRIBUTES = ['align', 'alt', 'data-lang', 'href', 'src', 'start', 'title']

export function sanitise(html: string): DocumentFragment {
  return purify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    // Everything else that is allowed is held against the pattern of addresses.
    ADD_URI_SAFE_ATTR: ['align', 'data-lang', 'start'],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:|data:image\/(?:png|jpeg|gif|webp);base64,)/i,
    RETURN_DOM_FRAGMENT: true,
  })
}
