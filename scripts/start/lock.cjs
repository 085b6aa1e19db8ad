'use strict'

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { stateDir } = require('./paths.cjs')
const { readJson } = require('./stamp.cjs')

const lock = path.join(stateDir, 'lock')
const takeover = path.join(stateDir, 'lock.takeover')

/** One process of this clone at a time. A process that died is known by pid and start time, so its lock does not stay. */
async function withLock(work) {
  fs.mkdirSync(stateDir, { recursive: true })
  await acquire()
  try {
    return await work()
  } finally {
    fs.rmSync(lock, { force: true })
  }
}

async function acquire() {
  let isAnnounced = false
  while (!create(lock)) {
    const owner = readJson(lock)
    if (owner !== undefined && !isAlive(owner)) {
      removeStale(owner)
      continue
    }
    if (!isAnnounced) process.stderr.write(`Another start of Pilot installs or builds here${owner ? ` (process ${owner.pid})` : ''}: waiting for it.\n`)
    isAnnounced = true
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** `link` makes the file appear with its content, or fails when there is one. */
function create(file) {
  const draft = `${file}.${process.pid}`
  fs.writeFileSync(draft, JSON.stringify({ pid: process.pid, startTime: startTime(process.pid) }))
  try {
    fs.linkSync(draft, file)
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return false
  } finally {
    fs.rmSync(draft, { force: true })
  }
}

/** Under a lock of its own for these few lines, or a second one could remove what the first has just made anew. */
function removeStale(owner) {
  const age = Date.now() - (fs.statSync(takeover, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
  if (age > 10_000) fs.rmSync(takeover, { force: true })
  if (!create(takeover)) return
  try {
    const now = readJson(lock)
    if (now?.pid === owner.pid && now.startTime === owner.startTime) fs.rmSync(lock, { force: true })
  } finally {
    fs.rmSync(takeover, { force: true })
  }
}

function isAlive({ pid, startTime: recorded }) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (error.code === 'ESRCH') return false
  }
  return startTime(pid) === recorded
}

/** As the system tells it: pids are used again, a pid with its start time is not. */
function startTime(pid) {
  try {
    if (process.platform === 'linux') return fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[19]
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

module.exports = { withLock }
