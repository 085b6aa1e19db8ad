import { spawn } from 'node:child_process'
import { link, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freeStaleLocks } from './stale-lock.ts'

let data: string
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'pilot-stale-'))
})
afterEach(() => rm(data, { recursive: true, force: true }))

const rest = `${'/somewhere'}\n1795318221\n25469\n`
const lock = () => join(data, 'postmaster.pid')
const free = () => freeStaleLocks({ command: '/opt/bin/postgres', args: ['-D', data, '-c', 'port=5433', '-c', `unix_socket_directories=${data}`] })

describe('the lock that a power failure leaves', () => {
  beforeEach(({ skip }) => skip(process.platform !== 'linux', 'this needs Linux: what runs behind a number is read in /proc'))

  test('names nobody any more when another program has the number', async () => {
    await writeFile(lock(), `${process.pid}\n${rest}`)
    expect([free(), await readFile(lock(), 'utf8'), free()]).toEqual([1, `2147483647\n${rest}`, 0])
    const socketLock = join(data, '.s.PGSQL.5433.lock')
    await writeFile(socketLock, `${process.pid}\n${rest}`)
    expect([free(), await readFile(socketLock, 'utf8')]).toEqual([1, `2147483647\n${rest}`])
  })

  test('of a PostgreSQL that runs on these data stays', async () => {
    const child = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)', '--', data], { stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve))
      await writeFile(lock(), `${child.pid}\n${rest}`)
      expect([free(), await readFile(lock(), 'utf8')]).toEqual([0, `${child.pid}\n${rest}`])
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('is left alone where it is a link, no lock, or another program starts', async () => {
    expect(free()).toBe(0)
    const other = join(data, 'other')
    await writeFile(other, `${process.pid}\n${rest}`)
    await symlink(other, lock())
    expect(free()).toBe(0)
    await rm(lock())
    await link(other, lock())
    expect([free(), await readFile(other, 'utf8')]).toEqual([0, `${process.pid}\n${rest}`])
    await rm(lock())
    await writeFile(lock(), 'no number\n')
    expect(free()).toBe(0)
    await writeFile(lock(), `${process.pid}\n${rest}`)
    expect(freeStaleLocks({ command: 'node', args: ['-D', data] })).toBe(0)
  })
})
