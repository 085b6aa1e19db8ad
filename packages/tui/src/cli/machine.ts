import { access, constants, mkdir, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Finding } from '@pilot/core'
import { homeFolder } from '../client/home.ts'
import type { Environment } from './terminal.ts'
import { bytes } from './text/units.ts'

const leastFreeBytes = 1024 ** 3

/** What must hold before the server can run: looked at by the command itself. */
export async function machineFindings(env: Environment): Promise<Finding[]> {
  const home = homeFolder(env)
  return [nodeFinding(process.versions.node), systemFinding(process.platform, process.arch), await homeFinding(home), await diskFinding(home)]
}

function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 12)) return { id: 'node.version', status: 'ok', title: `Node ${version}` }
  return { id: 'node.version', status: 'problem', title: `Node ${version} is too old; 22.12 or newer is needed`, fix: 'Install Node 24 from https://nodejs.org, or start Pilot with `npm start` in its folder, which brings its own.' }
}

function systemFinding(platform: string, arch: string): Finding {
  const known = (platform === 'linux' || platform === 'darwin') && (arch === 'x64' || arch === 'arm64')
  if (known) return { id: 'machine.system', status: 'ok', title: `${platform} ${arch}` }
  return { id: 'machine.system', status: 'problem', title: `Pilot does not run on ${platform} ${arch}`, fix: platform === 'win32' ? 'Install WSL 2 and start Pilot in it.' : 'Use Linux or macOS on x64 or arm64.' }
}

async function homeFinding(home: string): Promise<Finding> {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 })
    await access(home, constants.R_OK | constants.W_OK | constants.X_OK)
    return { id: 'home.writable', status: 'ok', title: `Home ${home}` }
  } catch (error) {
    return { id: 'home.writable', status: 'problem', title: `The home ${home} cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, fix: 'Make it yours (chown), or set PILOT_HOME to a folder that is.' }
  }
}

async function diskFinding(home: string): Promise<Finding> {
  const free = await statfs(home).catch(() => statfs(dirname(home))).then(({ bavail, bsize }) => bavail * bsize, () => undefined)
  if (free === undefined) return { id: 'disk.free', status: 'warning', title: 'The free disk space could not be read', fix: `Check that ${home} is on a disk that works.` }
  if (free >= leastFreeBytes) return { id: 'disk.free', status: 'ok', title: `${bytes(free)} free on the disk of the home` }
  return { id: 'disk.free', status: 'warning', title: `Only ${bytes(free)} free on the disk of the home`, fix: `Free some: builds and databases need at least ${bytes(leastFreeBytes)}.` }
}
