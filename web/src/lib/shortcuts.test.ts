// Which key press means which command, and when none is meant.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { isPlain, isStroke, keyCaps, list, listen, Reader, register, type Command, type KeyPress } from './shortcuts'

const press = (key: string, held: Partial<KeyPress> = {}): KeyPress => ({
  key,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  ...held,
})

const command = (id: string, keys: string, more: Partial<Command> = {}): Command => ({
  id,
  keys,
  title: id,
  group: 'Test',
  run: () => {},
  ...more,
})

describe('a stroke', () => {
  it.each([
    ['Mod+K', press('k', { ctrlKey: true }), false, true],
    ['Mod+K', press('k', { metaKey: true }), true, true],
    ['Mod+K', press('k', { ctrlKey: true }), true, false],
    ['Mod+K', press('K', { ctrlKey: true, shiftKey: true }), false, false],
    ['Mod+Shift+O', press('O', { ctrlKey: true, shiftKey: true }), false, true],
    ['Mod+.', press('.', { ctrlKey: true }), false, true],
    ['?', press('?', { shiftKey: true }), false, true],
    ['/', press('/', { shiftKey: true }), false, true],
    ['t', press('t'), false, true],
    ['t', press('t', { ctrlKey: true }), false, false],
    ['t', press('t', { altKey: true }), false, false],
    ['Escape', press('Escape', { shiftKey: true }), false, false],
    ['+', press('+'), false, true],
  ])('%s', (stroke, pressed, mac, expected) => expect(isStroke(stroke, pressed, mac)).toBe(expected))

  it('is plain without Mod', () => {
    expect(['t', 'g c', '?', 'Shift+T'].map(isPlain)).toEqual([true, true, true, true])
    expect(['Mod+K', 'Mod+Shift+O'].map(isPlain)).toEqual([false, false])
  })
})

describe('a reader', () => {
  const commands = [command('chat', 'g c'), command('fleet', 'g f'), command('theme', 't'), command('copy', 'c')]
  const read = (reader: Reader, key: string, now: number) => reader.read(press(key), now, false, commands)?.id

  it('completes a sequence', () => {
    const reader = new Reader()
    expect([read(reader, 'g', 0), read(reader, 'f', 100)]).toEqual([undefined, 'fleet'])
  })

  it('forgets a beginning after a while', () => {
    const reader = new Reader()
    expect([read(reader, 'g', 0), read(reader, 'c', 5000)]).toEqual([undefined, 'copy'])
  })

  it('lets what does not continue a sequence stand alone', () => {
    const reader = new Reader()
    expect([read(reader, 'g', 0), read(reader, 't', 100), read(reader, 'c', 200)]).toEqual([undefined, 'theme', 'copy'])
  })

  it('prefers what was registered last', () => {
    const both = [...commands, command('page', 't')]
    expect(new Reader().read(press('t'), 0, false, both)?.id).toBe('page')
  })
})

describe('listening', () => {
  const ends: (() => void)[] = []
  afterEach(() => {
    ends.splice(0).forEach((end) => end())
    document.body.innerHTML = ''
  })

  function hear(keys: string, arePlainOn = true, more: Partial<Command> = {}) {
    const run = vi.fn()
    ends.push(register(command(keys, keys, { run, ...more })), listen(() => arePlainOn))
    return run
  }

  function type(key: string, held: KeyboardEventInit = {}, target: Element = document.body) {
    const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...held })
    target.dispatchEvent(event)
    return event
  }

  it('runs a command and keeps the key from the browser', () => {
    const run = hear('Mod+K')
    expect(type('k', { ctrlKey: true }).defaultPrevented).toBe(true)
    expect(run).toHaveBeenCalledOnce()
  })

  it('leaves single keys to fields, but not those with Ctrl', () => {
    document.body.innerHTML = '<textarea></textarea><input type="checkbox">'
    const plain = hear('t')
    const withMod = hear('Mod+K')
    type('t', {}, document.querySelector('textarea')!)
    type('k', { ctrlKey: true }, document.querySelector('textarea')!)
    expect([plain.mock.calls.length, withMod.mock.calls.length]).toEqual([0, 1])
    type('t', {}, document.querySelector('input')!)
    expect(plain).toHaveBeenCalledOnce()
  })

  it('can be without single keys', () => {
    const run = hear('t', false)
    type('t')
    expect(run).not.toHaveBeenCalled()
  })

  it('is silent while a dialog is open, while composing, and where somebody else took the key', () => {
    const run = hear('t')
    document.body.innerHTML = '<dialog open></dialog>'
    type('t')
    document.body.innerHTML = '<p></p>'
    type('t', { isComposing: true })
    document.querySelector('p')!.addEventListener('keydown', (event) => event.preventDefault())
    type('t', {}, document.querySelector('p')!)
    expect(run).not.toHaveBeenCalled()
    type('t')
    expect(run).toHaveBeenCalledOnce()
  })

  it('offers a command only when it makes sense', () => {
    let isOn = false
    hear('t', true, { when: () => isOn })
    expect(list()).toHaveLength(0)
    isOn = true
    expect(list()).toHaveLength(1)
  })
})

it('keys are named as on the keyboard', () => {
  expect(keyCaps('Mod+Shift+O', true)).toEqual([['⌘', '⇧', 'O']])
  expect(keyCaps('Mod+Shift+O', false)).toEqual([['Ctrl', 'Shift', 'O']])
  expect(keyCaps('g c', false)).toEqual([['G'], ['C']])
  expect(keyCaps('Mod+/', false)).toEqual([['Ctrl', '/']])
})
