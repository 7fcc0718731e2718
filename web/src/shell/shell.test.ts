// The words of the connection, and which commands fit what was typed.
import { describe, expect, it } from 'vitest'
import { connectionWords } from './connection'
import { search } from './search'

describe('the connection in words', () => {
  it.each([
    ['open', 0, false, 'lan', 'LAN', 'good'],
    ['open', 0, true, 'wan', 'WAN', 'good'],
    ['open', 0, true, 'local', 'This machine', 'good'],
    ['connecting', 0, false, 'lan', 'Connecting', 'neutral'],
    ['connecting', 0, true, 'lan', 'LAN', 'good'],
    ['reconnecting', 2, true, 'lan', 'Reconnecting (attempt 2)', 'warning'],
    ['reconnecting', 0, false, 'wan', 'Reconnecting (attempt 1)', 'warning'],
    ['offline', 7, false, 'lan', 'Offline', 'bad'],
  ] as const)('%s %i, fleet live %s, over %s', (state, attempt, isFleetLive, kind, short, tone) => {
    expect(connectionWords({ state, attempt }, isFleetLive, kind)).toMatchObject({ short, tone })
  })
})

describe('search', () => {
  const titles = ['Chat', 'Change theme', 'Sessions', 'New session', 'Keyboard shortcuts']
  const find = (typed: string) => search(titles, (title) => title, typed)

  it('shows everything before something is typed', () => expect(find('')).toEqual(titles))
  it('finds words by their beginnings first', () => expect(find('s')).toEqual(['Sessions', 'New session', 'Keyboard shortcuts']))
  it('wants every word', () => expect(find('new ses')).toEqual(['New session']))
  it('finds the middle of a word as well', () => expect(find('heme')).toEqual(['Change theme']))
  it('finds nothing where nothing fits', () => expect(find('xyz')).toEqual([]))
})
