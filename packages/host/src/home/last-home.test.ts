import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { removeSharedIfLast } from './last-home.ts'

test('what the homes of root share goes with the last of them, and not before', async ({ skip }) => {
  skip(process.getuid?.() !== 0 || process.platform !== 'linux', 'only homes of root on Linux share anything')
  const folder = await mkdtemp(join(tmpdir(), 'pilot-shared-'))
  const name = `pilot-test-${randomBytes(4).toString('hex')}`
  const users = new RegExp(`^${name}$`)
  const home = join(folder, randomBytes(16).toString('hex'))
  await mkdir(home)
  execFileSync('useradd', ['--system', '--no-create-home', name])
  try {
    expect(await removeSharedIfLast({ folder, users })).toEqual([])
    expect(await readFile('/etc/passwd', 'utf8')).toContain(name)
    await rm(home, { recursive: true })
    expect(await removeSharedIfLast({ folder, users })).toEqual([`user ${name}`, folder])
    expect([(await readFile('/etc/passwd', 'utf8')).includes(name), existsSync(folder)]).toEqual([false, false])
    expect(await removeSharedIfLast({ folder, users })).toEqual([])
  } finally {
    try {
      execFileSync('userdel', [name], { stdio: 'ignore' })
    } catch {
      // It is gone, as it should be.
    }
    await rm(folder, { recursive: true, force: true })
  }
})
