import { createHash, randomBytes } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isProcessAlive, processIdentity, type ProcessIdentity } from '@pilot/core/process-identity'
import { hasErrno } from './files.ts'

/**
 * A lock that is a file: taken by `link` (exclusive, with its content in one step), freed by its owner, and taken over when
 * the owner's process is gone (boot id + pid + start time, so a reused pid does not hold it).
 *
 * Taking over is where such locks usually break: two takers find the same dead owner, and the slower one deletes the lock
 * that the faster one has just taken. Here a taker first takes a second lock named after the dead owner's random id; whoever
 * holds that one is alone in replacing this very owner, and looks again before it does.
 */
export interface FileLock {
  readonly path: string
  release(): Promise<void>
}

interface LockContent extends ProcessIdentity {
  readonly id: string
}

/** Takes the lock, or returns who holds it. */
export async function tryFileLock(path: string): Promise<FileLock | { readonly heldBy: ProcessIdentity }> {
  const identity = processIdentity(process.pid)
  if (identity === undefined) throw new Error('This process has no identity.')
  const own: LockContent = { ...identity, id: randomBytes(12).toString('hex') }
  const temporary = `${path}.${own.id}.tmp`
  // Short calls: a hop to the thread pool costs ten times as much.
  writeFileSync(temporary, JSON.stringify(own), { mode: 0o600, flag: 'wx' })
  try {
    for (;;) {
      if (linkIfAbsent(temporary, path)) return held(path, own)
      const owner = readOwner(path)
      if (owner === undefined) continue
      if (isProcessAlive(owner.content)) return { heldBy: owner.content }
      const takeover = await tryFileLock(`${path}.${owner.key}`)
      if ('heldBy' in takeover) return takeover
      try {
        if (readOwner(path)?.key !== owner.key) continue
        renameSync(temporary, path)
        return held(path, own)
      } finally {
        await takeover.release()
      }
    }
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** Runs `work` alone among all processes; waits at most `timeoutMs` for the others, and throws an error with the code LOCK_HELD then. */
export async function withFileLock<T>(path: string, work: () => Promise<T>, { timeoutMs = 30_000 }: { timeoutMs?: number } = {}): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const lock = await tryFileLock(path)
    if (!('heldBy' in lock)) {
      try {
        return await work()
      } finally {
        await lock.release()
      }
    }
    if (performance.now() > deadline) throw Object.assign(new Error(`The lock ${path} is held by process ${lock.heldBy.pid} for more than ${timeoutMs} ms.`), { code: 'LOCK_HELD' })
    await sleep(5 + Math.random() * 20)
  }
}

/** Who holds the lock; undefined when nobody alive does. */
export async function fileLockOwner(path: string): Promise<ProcessIdentity | undefined> {
  const owner = readOwner(path)
  return owner !== undefined && isProcessAlive(owner.content) ? owner.content : undefined
}

function held(path: string, own: LockContent): FileLock {
  return {
    path,
    async release() {
      const owner = readOwner(path)
      if (owner?.content.id === own.id) rmSync(path, { force: true })
    },
  }
}

function linkIfAbsent(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    throw error
  }
}

/** `key` names this very owner; content that cannot be read (a full disk) is an owner that is not alive. */
function readOwner(path: string): { readonly content: LockContent; readonly key: string } | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
  const key = createHash('sha256').update(text).digest('hex').slice(0, 16)
  try {
    return { content: JSON.parse(text) as LockContent, key }
  } catch {
    return { content: { id: '', bootId: '', pid: 0, startTime: '' } as unknown as LockContent, key }
  }
}

