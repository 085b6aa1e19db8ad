import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createRedactor, redactedText } from './redactor.ts'

const secret = 'p@ss/w+rd "ü" \\ 100%'

describe('redacting', () => {
  it.each([
    ['as it is', secret],
    ['in JSON', JSON.stringify(secret)],
    ['in JSON beyond ASCII', '"p@ss/w+rd \\"\\u00fc\\" \\\\ 100%"'],
    ['in JSON with escaped slashes', '"p@ss\\/w+rd \\"ü\\" \\\\ 100%"'],
    ['in a path', `postgres://u:${encodeURIComponent(secret)}@h/d`],
    ['in a path with escapes in lower case', `postgres://u:${encodeURIComponent(secret).replace(/%../g, (escape) => escape.toLowerCase())}@h/d`],
    ['in a form', new URLSearchParams({ password: secret }).toString()],
    ['in base64', Buffer.from(secret).toString('base64')],
    ['in base64url', Buffer.from(secret).toString('base64url')],
    ['in an Authorization header', `Basic ${Buffer.from(`ada:${secret}`).toString('base64')}`],
  ])('finds a secret %s', (_, text) => {
    const redacted = createRedactor([secret]).redact(`before ${text} after`)
    expect(redacted).toMatch(/^before .*\[redacted\].* after$/)
    expect(redacted).not.toMatch(/w\+rd|100%|w%2/i)
  })

  it('finds it in base64 whatever stands before and after it', () => {
    const redactor = createRedactor(['correct-horse-battery'])
    for (let before = 0; before < 6; before++) {
      for (let after = 0; after < 6; after++) {
        const text = Buffer.from('x'.repeat(before) + 'correct-horse-battery' + 'y'.repeat(after)).toString('base64')
        const rest = redactor.redact(text).replace(redactedText, '')
        expect(rest.length, text).toBeLessThanOrEqual(Math.ceil(((before + after) * 4) / 3) + 6)
        expect(redactor.redact(text)).toContain(redactedText)
      }
    }
  })

  it('finds the lines of a key, and leaves the frame of the file', () => {
    const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const redactor = createRedactor([pem])
    const shown = redactor.redact(`key: ${pem.replaceAll('\n', '\r\n  ')}`)
    expect(shown).toContain('-----BEGIN PRIVATE KEY-----')
    for (const line of pem.split('\n').slice(1, -2)) expect(shown).not.toContain(line)
    expect(redactor.redact(JSON.stringify({ key: pem }))).toBe(`{"key":"${redactedText}"}`)
    expect(redactor.redact(Buffer.from(pem).toString('base64'))).toBe(redactedText)
    expect(redactor.redact(pem.trim().replaceAll('\n', '\\n'))).toBe(redactedText)
  })

  it('finds the password of an address by itself, but for one that is a word of the address', () => {
    const redactor = createRedactor(['postgres://app:s%3Dsame-0pen@db:5432/shop?sslmode=disable', 'postgres://postgres:postgres@localhost/shop'])
    expect(redactor.redact('password s=same-0pen, s%3Dsame-0pen')).toBe('password [redacted], [redacted]')
    expect(redactor.redact(Buffer.from('app:s=same-0pen').toString('base64'))).toContain('[redacted]')
    expect(redactor.redact('postgres of app at db')).toBe('postgres of app at db')
  })

  it('leaves short values, and texts without secrets, as they are', () => {
    const redactor = createRedactor(['12345', '', '\n', 'a\nb'])
    expect(redactor.redact('12345 a b')).toBe('12345 a b')
    expect(createRedactor().redact('anything')).toBe('anything')
    expect(createRedactor(['sesame-open']).redact('nothing $& to \\ see')).toBe('nothing $& to \\ see')
  })

  it('prefers the longer of two secrets that overlap, and knows those that were added later', () => {
    const redactor = createRedactor(['opensesame'])
    redactor.add('opensesame-please')
    expect(redactor.redact('opensesame-please opensesame')).toBe('[redacted] [redacted]')
  })

  it('takes special characters literally', () => {
    const odd = '^$.*+?()[]{}|\\/-'
    expect(createRedactor([odd]).redact(`<${odd}>`)).toBe('<[redacted]>')
    expect(createRedactor([odd]).redact('<aaaaaaa>')).toBe('<aaaaaaa>')
  })
})

describe('redacting a stream', () => {
  const inPieces = (text: string, size: number, redactor = createRedactor([secret, 'opensesame', 'opensesame-please'])) => {
    const stream = redactor.stream()
    const bytes = Buffer.from(text)
    let shown = ''
    for (let start = 0; start < bytes.length; start += size) shown += stream.push(bytes.subarray(start, start + size))
    return shown + stream.end()
  }

  it('shows the same in pieces of every size as in one', () => {
    const text = `start ${secret}${secret} opensesame-pleas opensesame-please\nopensesam\nopen${Buffer.from(`u:${secret}`).toString('base64')} ${JSON.stringify(secret)} 💾 opensesam`
    const whole = createRedactor([secret, 'opensesame', 'opensesame-please']).redact(text)
    for (let size = 1; size <= text.length; size++) expect(inPieces(text, size), `pieces of ${size}`).toBe(whole)
  })

  it('shows lines that ended, and everything that begins no secret, at once', () => {
    const stream = createRedactor(['opensesame']).stream()
    expect(stream.push('progress 10%')).toBe('progress 10%')
    expect(stream.push(' open')).toBe(' ')
    expect(stream.push('ing\nopens')).toBe('opening\n')
    expect(stream.push('\n')).toBe('opens\n')
    expect(stream.push('open')).toBe('')
    expect(stream.push('sesame!')).toBe('[redacted]!')
    expect(stream.end()).toBe('')
  })

  it('finds a secret that was added while it was open', () => {
    const redactor = createRedactor()
    const stream = redactor.stream()
    expect(stream.push('first ')).toBe('first ')
    redactor.add('opensesame')
    expect(stream.push('opense')).toBe('')
    expect(stream.push('same')).toBe('[redacted]')
  })

  it('passes on a long log that holds none of many secrets as it is', () => {
    const redactor = createRedactor([...Array.from({ length: 30 }, () => randomBytes(24).toString('base64')), generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()])
    const text = `${new Date().toISOString()} GET /orders/4711 200 12 ms "Mozilla/5.0 (X11; Linux x86_64)"\n`.repeat(10_000)
    const stream = redactor.stream()
    expect(stream.push(text) + stream.end() === text).toBe(true)
  })
})
