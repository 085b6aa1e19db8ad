import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLogWriter } from './log-files.ts'

test('a log that never ends keeps its beginning and its last lines, and counts what is between', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pilot-log-'))
  try {
    const path = join(folder, 'operations/a.log')
    const log = openLogWriter({ path, prefix: 'web | ', redact: (text) => text.replaceAll('secret', '***'), maxBytes: 1024 ** 2 })
    for (let index = 0; index < 40_000; index++) log.line(`${index} ${'x'.repeat(100)} secret`)
    await log.flush()
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    expect(Buffer.byteLength(lines.join('\n'))).toBeLessThan(1.1 * 1024 ** 2)
    const gap = lines.findIndex((line) => line.includes('left out'))
    expect(lines[0]).toBe(`web | 0 ${'x'.repeat(100)} ***`)
    expect(lines[gap]).toBe(`web | … ${40_000 - gap - 200} lines left out: the log of a job is kept up to 1 MB`)
    expect(lines.slice(gap + 1)).toHaveLength(200)
    expect(lines.at(-1)).toMatch(/^web \| 39999 /)
    // What comes afterwards (a release, say) is kept too.
    log.line('live')
    await log.flush()
    expect(await readFile(path, 'utf8')).toMatch(/web \| live\n$/)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
