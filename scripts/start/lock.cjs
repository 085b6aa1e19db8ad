'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { stateDir } = require('./paths.cjs')
const { identityOf, isAlive } = require('./process-identity.cjs')
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
  fs.writeFileSync(draft, JSON.stringify(identityOf(process.pid)))
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

module.exports = { withLock }
