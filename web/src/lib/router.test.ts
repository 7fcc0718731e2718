// Which address is which page, and where links and sign-ins may lead.
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { followLinks, href, match, navigate, route, safeNext, setQuery } from './router'

beforeEach(() => {
  history.replaceState(null, '', '/')
  vi.stubGlobal('scrollTo', vi.fn())
})

describe('match', () => {
  it.each([
    ['/', 'chat', {}],
    ['/s/ses_4b', 'session', { id: 'ses_4b' }],
    ['/s/a%20b', 'session', { id: 'a b' }],
    ['/sessions', 'sessions', {}],
    ['/sessions/', 'sessions', {}],
    ['/signin', 'signin', {}],
  ])('%s is %s', (path, page, params) => {
    expect(match(path)).toEqual({ page, params })
  })

  it.each(['/s', '/s/a/b', '/nothing', '/fleet/x'])('%s is no page', (path) => {
    expect(match(path)).toBeUndefined()
  })

  it('takes a broken escape as it is', () => {
    expect(match('/s/%E0%A4%A')?.params.id).toBe('%E0%A4%A')
  })
})

describe('safeNext', () => {
  it.each([
    ['/models?q=a', '/models?q=a'],
    ['/s/ses_1', '/s/ses_1'],
  ])('keeps %s', (next, expected) => expect(safeNext(next)).toBe(expected))

  it.each([
    null,
    '',
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example',
    '/\t/evil.example',
    'javascript:alert(1)',
    'fleet',
    '/signin?next=/signin',
  ])('sends %s to the main page', (next) => expect(safeNext(next)).toBe('/'))
})

it('href leaves out what is empty', () => {
  expect(href('/models', { q: 'a b', arch: '', fit: null })).toBe('/models?q=a+b')
  expect(href('/models')).toBe('/models')
})

describe('navigate', () => {
  it('moves the route and adds a step back', () => {
    const before = history.length
    navigate('/s/ses_1')
    expect(route.page).toBe('session')
    expect(route.params).toEqual({ id: 'ses_1' })
    expect(history.length).toBe(before + 1)
  })

  it('to where the reader is adds no step back', () => {
    navigate('/fleet')
    const before = history.length
    navigate('/fleet')
    expect(history.length).toBe(before)
  })

  it('refuses other origins', () => {
    expect(() => navigate('https://evil.example/')).toThrow('not a path of this app')
  })

  it('setQuery keeps the rest of the query and adds no step back', () => {
    navigate('/models?q=a&arch=llama')
    const before = history.length
    setQuery({ q: 'b', arch: null, fit: '1' })
    expect(location.search).toBe('?q=b&fit=1')
    expect(route.query.get('fit')).toBe('1')
    expect(history.length).toBe(before)
  })
})

describe('links', () => {
  function click(html: string, how: MouseEventInit = {}): boolean {
    document.body.innerHTML = html
    const event = new MouseEvent('click', { bubbles: true, cancelable: true, ...how })
    // jsdom follows links that nobody took by complaining; that is the browser's part here.
    const end = followLinks()
    const stop = (each: Event) => each.preventDefault()
    let isTaken = false
    addEventListener('click', (each) => (isTaken = each.defaultPrevented), { once: true })
    addEventListener('click', stop, { once: true })
    document.querySelector('a span, a')?.dispatchEvent(event)
    end()
    return isTaken
  }

  it('of the app are followed without loading it anew', () => {
    expect(click('<a href="/models?q=x"><span>Models</span></a>')).toBe(true)
    expect(location.pathname + location.search).toBe('/models?q=x')
  })

  it.each([
    ['with Ctrl', '<a href="/models">a</a>', { ctrlKey: true }],
    ['with the middle button', '<a href="/models">a</a>', { button: 1 }],
    ['to a new tab', '<a href="/models" target="_blank">a</a>', {}],
    ['of a download', '<a href="/models" download>a</a>', {}],
    ['to another site', '<a href="https://example.org/models">a</a>', {}],
    ['to the API', '<a href="/v3/sessions/x/export">a</a>', {}],
    ['within the page', '<a href="#content">a</a>', {}],
  ])('%s are the browser\'s', (_, html, how) => expect(click(html, how)).toBe(false))
})
