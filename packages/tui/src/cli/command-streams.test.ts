import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { evil, forbidden } from '../testing/hostile.ts'
import { plainOutput } from './command-streams.ts'
import type { CommandContext } from './context.ts'
import { createOutput } from './output.ts'
import type { Terminal } from './terminal.ts'

/** What a command without a terminal of its own writes, as it arrives; in pieces of so many bytes. */
async function arrived({ isTTY, json = false, bytes, pieces = Infinity }: { isTTY: boolean; json?: boolean; bytes: Uint8Array; pieces?: number }): Promise<Buffer> {
  const chunks: Buffer[] = []
  const stdout = Object.assign(new Writable({ write: (chunk, _encoding, done) => (chunks.push(Buffer.from(chunk)), done()) }), { isTTY })
  const terminal = { stdout, stderr: stdout, env: { LANG: 'C.UTF-8', TERM: 'xterm' } } as unknown as Terminal
  const show = plainOutput({ terminal, output: createOutput(terminal, { json, quiet: false }) } as unknown as CommandContext)
  for (let at = 0; at < bytes.length; at += pieces) await show('stdout', bytes.subarray(at, Math.min(bytes.length, at + pieces)))
  return Buffer.concat(chunks)
}

describe('the output of a command that has no terminal', () => {
  test('reaches a pipe as it is, byte by byte', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
    expect(await arrived({ isTTY: false, bytes, pieces: 3 })).toEqual(Buffer.from(bytes))
  })

  test.each([Infinity, 1, 2, 7])('does nothing to a terminal but print, in pieces of %d bytes', async (pieces) => {
    const text = (await arrived({ isTTY: true, bytes: Buffer.from(`né ${evil} 日本\n`), pieces })).toString('utf8')
    expect(text.replaceAll(/\u001b\[(?:1|2|22|31|32|33|36|39)m/g, '')).not.toMatch(forbidden)
    expect(text).toMatch(/^né evil.* 日本\n$/)
  })

  test('is JSON that holds it all with --json', async () => {
    const line = (await arrived({ isTTY: true, json: true, bytes: Buffer.from('a\u202e\u009b\u001b[2J') })).toString('utf8')
    expect(line.trimEnd()).not.toMatch(forbidden)
    expect(JSON.parse(line)).toEqual({ stream: 'stdout', text: 'a\u202e\u009b\u001b[2J' })
  })
})
