import { lookup } from 'node:dns/promises'
import { statfs } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { dirname } from 'node:path'
import { toPilotError, type CheckContext, type Finding, type PilotError } from '@pilot/core'
import { findBuildx } from './builders/buildx.ts'
import { findPack, howToInstall, isTooOld } from './builders/pack-program.ts'
import { hasOwnUsers, isolationNotice } from './process/isolation.ts'
import { openEngine, type Engine } from './engine/engine.ts'
import { findEngine } from './engine/find-engine.ts'
import { findProgram } from './process/programs.ts'
import { usualRuntime, type Settings } from './settings.ts'

const gigabyte = 1024 ** 3
type Context = CheckContext<Settings>

/** What is on this machine, what is missing and how to get it. Changes nothing. */
export async function check(context: Context): Promise<readonly Finding[]> {
  const { settings, home } = context
  const findings = await Promise.all([
    settings?.runtime === 'process' ? processFindings() : engineFindings(context),
    diskFinding({ id: 'disk.home', path: home, title: 'for this home', least: 1, enough: 5 }),
    Promise.resolve(memoryFinding()),
    nameFinding(),
  ])
  return findings.flat()
}

async function engineFindings({ settings }: Context): Promise<readonly Finding[]> {
  let engine: Engine
  try {
    engine = await openEngine(findEngine())
  } catch (thrown) {
    return [engineProblem(toPilotError(thrown), settings)]
  }
  const { version, apiVersion, address, rootDirectory } = engine
  const isOld = Number(apiVersion.split('.')[1]) < 40
  return [
    isOld
      ? { id: 'docker.engine', status: 'problem', title: `Docker engine ${version} (API ${apiVersion}) is older than what Pilot knows`, fix: 'Upgrade Docker to 19.03 or newer.' }
      : { id: 'docker.engine', status: 'ok', title: `Docker engine ${version} (API ${apiVersion}), found by ${address.via}` },
    ...(engine.isRootless ? [rootless] : []),
    ...(engine.isPodman ? [podman] : []),
    await buildxFinding(),
    await packFinding(),
    ...(await diskFinding({ id: 'disk.docker', path: rootDirectory, title: 'for images', least: 1, enough: 10 })),
  ]
}

/** Before setup nothing is decided: without an engine apps run as processes. */
function engineProblem({ code, message, reason, suggestion }: PilotError, settings: Settings | undefined): Finding {
  const title = [message, reason].filter(Boolean).join(': ')
  // That one says so itself.
  const orProcesses = code === 'ENGINE_NOT_INSTALLED' ? '' : ' Or run apps as processes of this machine: `setup local --runtime process`.'
  return { id: 'docker.engine', status: settings ? 'problem' : 'warning', code, title, fix: `${suggestion}${orProcesses}` }
}

const rootless: Finding = {
  id: 'docker.rootless',
  status: 'warning',
  title: 'The engine is rootless: its containers do not reach this machine, so neither databases nor other apps',
  fix: "Use the system's Docker engine (`docker context use default`), or set up with `--runtime process`.",
}

const podman: Finding = { id: 'docker.podman', status: 'warning', title: 'The engine is Podman, which answers for Docker but was not tried with Pilot', fix: 'If something does not work, use a Docker engine.' }

async function buildxFinding(): Promise<Finding> {
  return (await findBuildx())
    ? { id: 'docker.buildx', status: 'ok', title: 'Images are built by docker buildx' }
    : { id: 'docker.buildx', status: 'warning', title: "Images are built by the engine's own builder, which has no secret mounts, cache mounts and here-documents", fix: 'Install buildx (Debian: `apt install docker-buildx`) if a Dockerfile needs them.' }
}

/** Optional: nothing is missing as long as no app says `build: buildpack`, and one that does says it too. */
async function packFinding(): Promise<Finding> {
  const found = await findPack()
  if (found === undefined) return { id: 'docker.pack', status: 'ok', title: 'Optional, and not installed: pack, which `build: buildpack` needs' }
  return isTooOld(found) ? { id: 'docker.pack', status: 'warning', title: `pack ${found.version} is too old for \`build: buildpack\``, fix: howToInstall() } : { id: 'docker.pack', status: 'ok', title: `Buildpacks are built by pack ${found.version}` }
}

async function processFindings(): Promise<readonly Finding[]> {
  const needsTool = hasOwnUsers() && !(await findProgram('useradd', `${process.env['PATH'] ?? ''}:/usr/sbin`))
  return [
    ...(usualRuntime() === 'process' ? [noEngine] : []),
    { id: 'process.isolation', status: 'warning', title: isolationNotice(hasOwnUsers()), fix: 'For isolation install Docker and set up a platform with `--runtime docker`.' },
    ...(needsTool ? [{ id: 'process.users', status: 'problem' as const, title: 'There is no useradd, which makes a user for each app', fix: 'Install it (Debian: `apt install passwd`), or run Pilot as an ordinary user.' }] : []),
  ]
}

const noEngine: Finding = {
  id: 'docker.engine',
  status: 'warning',
  explains: 'runtime',
  title: 'No Docker engine is installed: apps run as processes of this machine',
  fix: 'For containers install Docker (Debian: `apt install docker.io`), then `setup local --runtime docker` before the first app is deployed.',
}

/** Nothing when the path is not on this machine, as with an engine in a virtual machine. */
async function diskFinding({ id, path, title, least, enough }: { id: string; path: string; title: string; least: number; enough: number }): Promise<readonly Finding[]> {
  const disk = await freeDisk(path)
  if (!disk) return []
  const free = (disk.bavail * disk.bsize) / gigabyte
  const text = `${free.toFixed(1)} GB free ${title} (${path})`
  const fix = id === 'disk.docker' ? 'Free some space, for example with `docker builder prune` and `docker image prune`.' : 'Free some space, or set PILOT_HOME to a folder on another disk.'
  return [free >= enough ? { id, status: 'ok', title: text } : { id, status: free >= least ? 'warning' : 'problem', title: text, code: 'DISK_FULL', fix }]
}

/** The home may not exist before setup: then of where it will be. */
async function freeDisk(path: string): Promise<{ bavail: number; bsize: number } | undefined> {
  for (let folder = path; ; folder = dirname(folder)) {
    const disk = await statfs(folder).catch(() => undefined)
    if (disk || folder === dirname(folder)) return folder === '/' && path !== '/' && !disk ? undefined : disk
  }
}

function memoryFinding(): Finding {
  const total = totalmem() / gigabyte
  const title = `${total.toFixed(1)} GB of memory`
  return total >= 0.9 ? { id: 'memory', status: 'ok', title } : { id: 'memory', status: 'warning', title, fix: 'Apps and their database need 1 GB or more; give the machine more memory or limit `memory:` in pilot.yaml.' }
}

/** Browsers resolve names below .localhost by themselves; other programs ask the system, which may not know them. */
async function nameFinding(): Promise<Finding> {
  const found = await lookup('pilot-check.localhost').catch(() => undefined)
  return found && (found.address === '127.0.0.1' || found.address === '::1')
    ? { id: 'names.localhost', status: 'ok', title: 'Names below .localhost lead to this machine' }
    : { id: 'names.localhost', status: 'warning', title: 'Names below .localhost are known to browsers only', fix: 'Tools such as curl or Python use the address with a port of its own that `up` prints; with systemd, `apt install libnss-myhostname` makes the names known everywhere.' }
}
