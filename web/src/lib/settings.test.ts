// What is kept in a browser is read with care: older versions, other programs and people may have written it.
import { flushSync } from 'svelte'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DEFAULTS, followSettings, KEY, nextTheme, parse, settings } from './settings.svelte'

describe('parse', () => {
  it.each([null, '', '{', '[]', 'null', '"x"', '7'])('takes %s as nothing', (kept) => {
    expect(parse(kept)).toEqual(DEFAULTS)
  })

  it('keeps what is good and leaves the rest', () => {
    const kept = { theme: 'dark', density: 'huge', shortcuts: 'yes', lan: 'http://a', notices: 'none', left: true }
    expect(parse(JSON.stringify(kept))).toEqual({ ...DEFAULTS, theme: 'dark', lan: 'http://a', notices: 'none' })
  })
})

describe('the settings', () => {
  let end: () => void
  beforeEach(() => {
    localStorage.clear()
    Object.assign(settings, DEFAULTS)
    end = followSettings()
    flushSync()
  })
  afterEach(() => end())

  it('are kept and shown when they change', () => {
    settings.theme = 'dark'
    settings.density = 'compact'
    flushSync()
    expect(JSON.parse(localStorage.getItem(KEY) ?? '')).toMatchObject({ theme: 'dark', density: 'compact' })
    expect(document.documentElement.dataset).toMatchObject({ theme: 'dark', density: 'compact' })
    settings.theme = 'system'
    flushSync()
    expect(document.documentElement.dataset.theme).toBeUndefined()
  })

  it('follow another tab', () => {
    dispatchEvent(new StorageEvent('storage', { key: KEY, newValue: '{"theme":"light"}' }))
    expect(settings.theme).toBe('light')
    dispatchEvent(new StorageEvent('storage', { key: 'another', newValue: '{"theme":"dark"}' }))
    expect(settings.theme).toBe('light')
  })

  it('work without storage', () => {
    vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError')
    })
    settings.theme = 'dark'
    expect(() => flushSync()).not.toThrow()
    expect(document.documentElement.dataset.theme).toBe('dark')
  })

  it('go through the themes', () => {
    settings.theme = 'light'
    const seen = [1, 2, 3].map(() => {
      nextTheme()
      return settings.theme
    })
    expect(seen).toEqual(['dark', 'system', 'light'])
  })
})
