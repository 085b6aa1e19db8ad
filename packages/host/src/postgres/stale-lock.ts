import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'

/** No process has it, whatever the kernel's limit. */
const nobody = 2 ** 31 - 1

/**
 * After a power failure `postmaster.pid`, and the lock beside the socket, name a process of the last boot. PostgreSQL starts all the
 * same, unless that number was given out again to anything of the same user, a thread included, which is likely when the same
 * things start in the same order at every boot; then it refuses for good. So a number that is no PostgreSQL of these data becomes
 * one that nobody has. The rest of the file stays: by it PostgreSQL finds out whether anybody still uses the memory of the last one.
 * Only Linux tells; elsewhere, and for other programs, this does nothing. Returns how many files it changed.
 */
export function freeStaleLocks({ command, args = [] }: { readonly command: string; readonly args?: readonly string[] }): number {
  const data = args[1]
  if (process.platform !== 'linux' || basename(command) !== 'postgres' || args[0] !== '-D' || data === undefined) return 0
  const setting = (name: string): string => args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1) ?? ''
  const locks = [join(data, 'postmaster.pid'), join(setting('unix_socket_directories'), `.s.PGSQL.${setting('port')}.lock`)]
  return locks.filter((lock) => free(lock, data)).length
}

function free(lock: string, data: string): boolean {
  let file: number | undefined
  try {
    // The folder belongs to the user of the cluster, who may be another than this one: no link is followed.
    file = openSync(lock, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const info = fstatSync(file)
    if (!info.isFile() || info.nlink !== 1 || info.size > 4096) return false
    const [first = '', ...rest] = readFileSync(file, 'utf8').split('\n')
    const pid = Number(first)
    if (!Number.isInteger(pid) || pid <= 0 || pid === nobody || isPostgresOf(data, pid)) return false
    ftruncateSync(file)
    writeSync(file, [nobody, ...rest].join('\n'), 0)
    return true
  } catch {
    // There is none, or it cannot be read: PostgreSQL itself says what is wrong.
    return false
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** Also where it cannot be looked at: then nothing is known of it. */
function isPostgresOf(data: string, pid: number): boolean {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return line === '' || line.includes(data)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}
