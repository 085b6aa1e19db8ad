import { expect, test } from 'vitest'
import { createBuildOutput } from './build-output.ts'

function linesOf(...chunks: readonly string[]): { lines: string[]; last: readonly string[] } {
  const lines: string[] = []
  const output = createBuildOutput((line) => lines.push(line))
  for (const chunk of chunks) output.write(chunk)
  output.end()
  return { lines, last: output.last }
}

test('lines come whole wherever chunks end, without empty ones', () => {
  expect(linesOf('one\ntw', 'o\r\n\n', 'thr', 'ee').lines).toEqual(['one', 'two', 'three'])
})

test.each([
  ['colours', '\u001b[31mred\u001b[0m', 'red'],
  ['a title and what follows', '\u001b]0;owned\u0007text', 'text'],
  ['the clipboard', '\u001b]52;c;aGVsbG8=\u001b\\text', 'text'],
  ['a cursor that moves up', '\u001b[2A\u001b[2Ktext', 'text'],
  ['C1 and other bytes', 'a\u009b31mb\u0000\u0008c\u007f', /^ab?c?/],
  ['what is no text', Buffer.from([0xff, 0xfe, 0x41, 0x00]).toString('utf8'), '\ufffd\ufffdA'],
  ['a progress bar', '10%\r50%\r100%\r', '100%'],
])('nothing reaches a terminal that it would obey: %s', (_what, text, line) => {
  const { lines: [shown] } = linesOf(`${text}\n`)
  expect(shown).toMatch(line)
  expect(shown).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/)
})

test('a line without an end goes on in pieces, in a time that grows with its length only', () => {
  let bytes = 0
  let longest = 0
  const output = createBuildOutput((line) => {
    bytes += line.length
    longest = Math.max(longest, line.length)
  })
  const chunk = 'x'.repeat(64 * 1024)
  const started = process.cpuUsage()
  for (let index = 0; index < 1600; index++) output.write(chunk)
  output.end()
  expect(bytes).toBe(1600 * chunk.length)
  expect(longest).toBe(16 * 1024)
  expect(process.cpuUsage(started).user / 1e6).toBeLessThan(10)
})
