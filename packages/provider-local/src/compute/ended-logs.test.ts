import { appendFileSync } from 'node:fs'
import { mkdtemp, readdir, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { openHome, removeHome } from '@pilot/host'
import { endedLogs, freshEndedLogs, keepProcessLog, logLimitsOf } from './ended-logs.ts'

test('the log of an instance that has ended goes after its days, also when nothing else ends', async () => {
  const home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-ended-')))
  try {
    const place = { home, platformId: 'a'.repeat(32), app: { project: 'shop', app: 'api', environment: 'production' } }
    for (const deployment of ['d1', 'd2']) {
      const log = join(home.paths.logs, `${deployment}.log`)
      appendFileSync(log, `${deployment} says so\n`)
      await keepProcessLog(place, { deployment, instance: `${deployment}-0` }, log)
    }
    const [old, young] = await endedLogs(place)
    const eightDaysAgo = new Date(Date.now() - 8 * 24 * 3600_000)
    await utimes(old!.file, eightDaysAgo, eightDaysAgo)
    expect(await freshEndedLogs(place)).toEqual([young])
    expect((await readdir(dirname(old!.file))).filter((name) => !name.startsWith(basename(young!.file)))).toEqual([])
  } finally {
    await removeHome(home)
  }
})

test('instances share what is kept, and each keeps enough for a look', () => {
  expect([undefined, 1, 0.5, 0.001].map((share) => logLimitsOf(share).bytes)).toEqual([50, 50, 25, 1].map((mb) => mb * 1024 ** 2))
})
