import { access, constants, copyFile, mkdir, realpath, rename, rm } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { canReach, type Home, type SystemUser } from '@pilot/host'

/** Where a build puts programs, in the artifact; on the PATH of the app. */
export const programsFolder = '.pilot-bin'

/** The absolute path of a program, or undefined. */
export async function findProgram(name: string, path: string = process.env['PATH'] ?? ''): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter(Boolean)) {
    const file = join(folder, name)
    if (await access(file, constants.X_OK).then(() => true, () => false)) return file
  }
  return undefined
}

/**
 * The folder that holds the Node that runs Pilot, where `user` can execute it. A Node below a closed folder (a version manager
 * in /root) is copied once to where the app's users may pass.
 */
export async function nodeFolder(home: Home, user: Pick<SystemUser, 'uid' | 'gid'> | undefined): Promise<string> {
  const node = await realpath(process.execPath)
  if (!user || (await canReach({ name: '', ...user }, node))) return dirname(node)
  const folder = join(home.paths.reachable, 'node', process.version)
  const copy = join(folder, 'node')
  if (!(await access(copy).then(() => true, () => false))) {
    await mkdir(folder, { recursive: true, mode: 0o755 })
    const temporary = `${copy}.${process.pid}.tmp`
    try {
      await copyFile(node, temporary, constants.COPYFILE_FICLONE)
      await rename(temporary, copy)
    } finally {
      await rm(temporary, { force: true })
    }
  }
  return folder
}

/** What a process of an app finds on its PATH: what was installed for it, our Node, the machine's own programs. */
export const appPath = (artifact: string, node: string): string =>
  [join(artifact, 'node_modules/.bin'), join(artifact, '.venv/bin'), join(artifact, programsFolder), node, '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin', ...(process.platform === 'darwin' ? ['/opt/homebrew/bin'] : [])].join(delimiter)
