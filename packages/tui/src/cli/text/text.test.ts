import { describe, expect, test } from 'vitest'
import { evil, forbidden } from '../../testing/hostile.ts'
import { clean, cleanLine, escaped, printable, safeJson } from './clean.ts'
import { createStyle, wantsColor, wantsUnicode } from './style.ts'
import { table } from './table.ts'
import { ago, bytes, duration, elapsed, plural } from './units.ts'
import { wrap } from './wrap.ts'

describe('text of others', () => {
  test.each([
    ['colours', '\u001b[31mred\u001b[0m', 'red'],
    ['a window title', '\u001b]0;owned\u0007text', 'text'],
    ['a title ended by ST', '\u001b]0;owned\u001b\\text', 'text'],
    ['a link', '\u001b]8;;http://evil\u0007here\u001b]8;;\u0007', 'here'],
    ['cursor movement', 'a\u001b[2J\u001b[1;1Hb', 'ab'],
    ['C1 control bytes', 'a\u009b31mb\u0085c', 'abc'],
    ['carriage return that overwrites', 'safe\rEVIL', 'safeEVIL'],
    ['backspace and bell', 'a\b\u0007b', 'ab'],
    ['text that reorders', 'user\u202egnp.exe', 'usergnp.exe'],
    ['DEL and NUL', 'a\u007fb\u0000c', 'abc'],
    ['tabs', 'a\tb', 'a  b'],
    ['letters of all kinds', 'né 日本 👩‍👩‍👧 ✓', 'né 日本 👩‍👩‍👧 ✓'],
  ])('loses %s', (_, given, expected) => {
    expect(clean(given)).toBe(expected)
  })

  test('keeps its lines, or becomes one', () => {
    expect(clean('a\r\nb\n')).toBe('a\nb\n')
    expect(cleanLine('a\nb\n')).toBe('a b')
  })

  test('as JSON holds no byte that a terminal acts on', () => {
    const text = safeJson({ log: evil }, 2)
    expect(text).not.toMatch(forbidden)
    expect(JSON.parse(text)).toEqual({ log: evil })
    expect(escaped('{"log":"a\u202eb\u009b"}')).toBe('{"log":"a\\u202eb\\u009b"}')
  })
})

describe('the border', () => {
  const style = createStyle({ color: true, unicode: true })
  const ours = /\u001b\[(?:1|2|22|31|32|33|36|39)m/g

  test('lets the colours of Pilot pass where there are colours, and lines and tabs', () => {
    const text = `${style.bad('a')}\t${style.strong(style.dim('b'))}\n${style.ok('c')}${style.warn('d')}${style.accent('e')}`
    expect(printable(text, { color: true })).toBe(text)
    expect(printable(text, { color: false })).toBe('a\tb\ncde')
  })

  test('stops what a forgotten text of others would do, also beside and between colours', () => {
    for (const text of [evil, style.bad(evil), `${evil}${style.ok('x')}`, `\u001b]0;${style.ok('title')}\u0007`, `\u001b${style.ok('[2J')}`, '\u001b[1\u001b[1mm', '\u001b\u0000[2J', '\u001b[31;8m', 'a\rb', '\u009b31m']) {
      expect(printable(text, { color: true }).replaceAll(ours, '').replaceAll('\ud800', '')).not.toMatch(forbidden)
      expect(printable(text, { color: false }).replaceAll('\ud800', '')).not.toMatch(forbidden)
    }
  })

  test('what is taken away leaves nothing behind that is one again', () => {
    for (const text of ['\u001b[\u001b[31m2J', '\u001b\u001b[31m[2J', '\u001b[3\u00001m\u001b[2J']) expect(printable(printable(text, { color: true }), { color: true })).toBe(printable(text, { color: true }))
  })
})

describe('units', () => {
  test.each([[0, '0 ms'], [999, '999 ms'], [1000, '1.0 s'], [59_949, '59.9 s'], [59_950, '1 min 00 s'], [3_599_400, '59 min 59 s'], [7_800_000, '2 h 10 min']])('%i ms lasts %s', (ms, text) => expect(duration(ms)).toBe(text))
  test.each([[-5, '0 s'], [12_900, '12 s'], [75_000, '1 min 15 s']])('%i ms so far are %s', (ms, text) => expect(elapsed(ms)).toBe(text))
  test.each([[0, '0 B'], [1023, '1023 B'], [1024, '1 kB'], [1_500_000, '1.4 MB'], [64 * 1024 ** 2, '64 MB'], [1.5 * 1024 ** 3, '1.5 GB']])('%i bytes are %s', (count, text) => expect(bytes(count)).toBe(text))
  test('times change by the minute', () => {
    const now = Date.parse('2026-01-02T12:00:00Z')
    expect(['2026-01-02T11:59:30Z', '2026-01-02T11:58:00Z', '2026-01-02T10:30:00Z', '2025-12-30T12:00:00Z', 'nonsense'].map((at) => ago(at, now))).toEqual(['just now', '2 minutes ago', '1 hour ago', '3 days ago', 'nonsense'])
  })
  test('one is not several', () => expect([plural(1, 'app'), plural(2, 'app'), plural(0, 'entry', 'entries')]).toEqual(['1 app', '2 apps', '0 entries']))
})

describe('style', () => {
  test.each([
    ['a terminal', {}, true, true],
    ['no terminal', {}, false, false],
    ['NO_COLOR wins over FORCE_COLOR', { NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
    ['an empty NO_COLOR counts for nothing', { NO_COLOR: '' }, true, true],
    ['FORCE_COLOR without a terminal', { FORCE_COLOR: '1' }, false, true],
    ['a dumb terminal', { TERM: 'dumb' }, true, false],
    ['CI', { CI: 'true' }, true, false],
  ])('colour: %s', (_, env, isTTY, expected) => expect(wantsColor(env, isTTY)).toBe(expected))

  test('symbols are ASCII where the locale is', () => {
    expect([{}, { LANG: 'de_DE.UTF-8' }, { LANG: 'C' }, { LC_ALL: 'POSIX', LANG: 'de_DE.UTF-8' }, { TERM: 'linux' }].map(wantsUnicode)).toEqual([true, true, false, false, false])
    expect(Object.values(createStyle({ color: false, unicode: false }).symbol).join('')).toMatch(/^[\u0020-\u007e]+$/)
  })
})

test('a table is as wide as its cells and has no trailing blanks', () => {
  expect(table(['APP', 'STATE'], [['api', 'live'], ['日本', '']], { heading: (text) => text })).toBe(['APP   STATE', 'api   live', '日本'].join('\n'))
})

describe('a table in a narrow terminal', () => {
  const rows = [['shop/api', 'queued: waits for the deploy of web', 'http://api.shop.localhost:4110'], ['blog/web', 'done', '']]
  const drawn = (width: number) => table(['APP', 'STATE', 'URL'], rows, { heading: (text) => text, width }).split('\n')

  test('wraps cells between words, below their own column', () => {
    expect(drawn(60)).toEqual(['APP       STATE               URL', 'shop/api  queued: waits for   http://api.shop.localhost:4110', '          the deploy of web', 'blog/web  done'])
  })

  test.each([30, 40, 50, 60, 80, 100])('has no line of more than %i columns', (width) => {
    for (const line of drawn(width)) expect(line.length).toBeLessThanOrEqual(width)
  })

  test('cuts off what does not fit as a word', () => {
    expect(drawn(40).join('\n')).toMatch(/http:\S*…/)
  })

  test('keeps what is copied, and cuts mere explanations first, on one line', () => {
    const commits = [['v3', 'release', 'http://api.shop.localhost:4110', '0123456 Sell more things to more people']]
    const options = { heading: (text: string) => text, whole: ['URL'], cut: ['COMMIT'] }
    expect(table(['VERSION', 'KIND', 'URL', 'COMMIT'], commits, { ...options, width: 64 }).split('\n')).toEqual(['VERSION  KIND     URL                             COMMIT', 'v3       release  http://api.shop.localhost:4110  0123456 Sell…'])
    const narrow = table(['VERSION', 'KIND', 'URL', 'COMMIT'], commits, { ...options, width: 56 }).split('\n')
    expect(narrow).toHaveLength(2)
    expect(narrow[1]).toMatch(/ http:\/\/api\.shop\.localhost:4110  \S+…$/)
    expect(table(['URL'], [['http://api.shop.localhost:4110']], { ...options, width: 20 }).split('\n')).toEqual(['URL', 'http://api.shop.loca', 'lhost:4110'])
  })

  test('is as it was where there is room', () => {
    expect(drawn(200)).toEqual(drawn(Infinity))
  })
})

test('sentences break between words, and keep their own spaces', () => {
  expect(wrap('one two three', 8)).toEqual(['one two', 'three'])
  expect(wrap('  pilot destroy api', Infinity)).toEqual(['  pilot destroy api'])
  expect(wrap('averylongword b', 4)).toEqual(['averylongword', 'b'])
})
