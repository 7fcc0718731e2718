// Which address a browser may ask, and which one it should use.
import { describe, expect, it } from 'vitest'
import { connectSources, decide, fitting, judge, kindOf, originOf, worthAsking } from './endpoints'

describe('originOf', () => {
  it.each([
    ['192.168.1.7:9999', 'http://192.168.1.7:9999'],
    [' https://pomona.example/chat?x=1 ', 'https://pomona.example'],
    ['mini.local', 'http://mini.local'],
    ['[fd00::1]:9999', 'http://[fd00::1]:9999'],
  ])('%s is %s', (typed, origin) => expect(originOf(typed)).toBe(origin))

  it.each(['', '  ', 'ftp://x', 'http://', 'javascript:alert(1)', 'http://user:pw@host/', 'not an address'])(
    '%s is none',
    (typed) => expect(originOf(typed)).toBeUndefined(),
  )
})

describe('kindOf', () => {
  const none = { lan: '', wan: '' }
  it.each([
    ['http://127.0.0.1:9999', 'local'],
    ['http://localhost:9999', 'local'],
    ['http://[::1]:9999', 'local'],
    ['http://192.168.1.7:9999', 'lan'],
    ['http://172.16.0.3', 'lan'],
    ['http://172.32.0.3', 'wan'],
    ['http://[fd12::1]:9999', 'lan'],
    ['http://mini.local:9999', 'lan'],
    ['http://mini:9999', 'lan'],
    ['https://pomona.example', 'wan'],
    ['https://10.example.com', 'wan'],
  ])('%s is %s', (page, kind) => expect(kindOf(page, none)).toBe(kind))

  it('believes the settings before the looks', () => {
    expect(kindOf('http://10.8.0.1:9999', { lan: '', wan: '10.8.0.1:9999' })).toBe('wan')
    expect(kindOf('http://127.0.0.1:9999', { lan: 'http://127.0.0.1:9999', wan: '' })).toBe('lan')
  })
})

it('addresses of a gateway are sorted by how they look', () => {
  const addresses = ['http://192.168.1.7:9999', 'https://pomona.example', 'http://mini.local', 'nonsense here']
  expect(fitting(addresses, 'lan')).toEqual(['http://192.168.1.7:9999', 'http://mini.local'])
  expect(fitting(addresses, 'wan')).toEqual(['https://pomona.example'])
})

describe('judge', () => {
  const lan = 'http://192.168.1.7:9999'
  it.each([
    ['http://192.168.1.7:9999', lan, ["'self'"], 'same'],
    ['https://pomona.example', lan, null, 'mixed'],
    ['https://pomona.example', 'http://127.0.0.1:9999', null, 'allowed'],
    ['http://127.0.0.1:9999', lan, ["'self'"], 'policy'],
    ['http://127.0.0.1:9999', lan, [], 'policy'],
    ['http://127.0.0.1:9999', lan, ["'self'", lan], 'allowed'],
    ['http://127.0.0.1:9999', lan, ["'self'", 'http:'], 'allowed'],
    ['http://127.0.0.1:9999', lan, ['*'], 'allowed'],
    ['http://127.0.0.1:9999', lan, null, 'allowed'],
    ['http://127.0.0.1:9999', 'nonsense here', null, 'invalid'],
  ])('from %s, %s with %j is %s', (page, endpoint, sources, verdict) =>
    expect(judge(page, endpoint, sources)).toBe(verdict),
  )
})

it('connectSources reads a policy', () => {
  expect(connectSources("default-src 'none'; connect-src 'self' https://a.example")).toEqual(["'self'", 'https://a.example'])
  expect(connectSources("default-src 'self'")).toEqual(["'self'"])
  expect(connectSources("script-src 'self'")).toBeNull()
  expect(connectSources(null)).toBeNull()
})

describe('decide', () => {
  const answers = (lanAnswers: boolean, wanAnswers: boolean) => ({ lanAnswers, wanAnswers })
  it.each([
    ['on the LAN all is well', 'lan', true, answers(false, true), 'stay'],
    ['on the machine itself nothing is better', 'local', true, answers(true, true), 'stay'],
    ['from outside the LAN goes first', 'wan', true, answers(true, false), 'lan'],
    ['from outside without a LAN', 'wan', true, answers(false, true), 'stay'],
    ['the LAN is gone', 'lan', false, answers(false, true), 'wan'],
    ['everything is gone', 'lan', false, answers(false, false), 'stay'],
    ['the WAN is gone and the LAN is there', 'wan', false, answers(true, false), 'lan'],
    ['a tunnel is gone and both answer', 'local', false, answers(true, true), 'lan'],
  ] as const)('%s', (_, kind, isUp, known, expected) => expect(decide({ kind, isUp, ...known })).toBe(expected))
})

it('only what could matter is asked', () => {
  expect(worthAsking({ kind: 'lan', isUp: true })).toEqual([])
  expect(worthAsking({ kind: 'local', isUp: true })).toEqual([])
  expect(worthAsking({ kind: 'wan', isUp: true })).toEqual(['lan'])
  expect(worthAsking({ kind: 'lan', isUp: false })).toEqual(['wan'])
  expect(worthAsking({ kind: 'local', isUp: false })).toEqual(['lan', 'wan'])
})
