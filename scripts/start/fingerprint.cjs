'use strict'

const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { lockfile, root } = require('./paths.cjs')

/** Changes when other packages are to be installed, or on another kind of machine (a folder shared with a container). */
function dependenciesFingerprint() {
  return hash([process.platform, process.arch, fs.readFileSync(lockfile)])
}

/** Changes when a source may have changed: names, sizes and times, not contents; what to do then is Nx's cache to know. */
function sourcesFingerprint() {
  const lines = []
  for (const name of fs.readdirSync(path.join(root, 'packages')).sort()) {
    const folder = path.join(root, 'packages', name)
    walk(path.join(folder, 'src'), lines)
    for (const file of ['package.json', 'tsconfig.build.json']) stat(path.join(folder, file), lines)
  }
  for (const name of ['build', 'supply-chain']) walk(path.join(root, 'scripts', name), lines)
  for (const file of ['nx.json', 'tsconfig.base.json', 'package-lock.json']) stat(path.join(root, file), lines)
  return hash(lines)
}

function walk(folder, lines) {
  let entries
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true })
  } catch {
    return
  }
  for (const entry of entries) {
    const file = path.join(folder, entry.name)
    if (entry.isDirectory()) walk(file, lines)
    else if (!/\.test\.tsx?$/.test(entry.name)) stat(file, lines)
  }
}

function stat(file, lines) {
  const found = fs.statSync(file, { throwIfNoEntry: false })
  if (found) lines.push(`${path.relative(root, file)} ${found.size} ${found.mtimeMs}\n`)
}

function hash(parts) {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(part).update('\0')
  return sum.digest('hex')
}

module.exports = { dependenciesFingerprint, sourcesFingerprint }
