'use strict'

const fs = require('node:fs')
const { dependenciesFingerprint } = require('./fingerprint.cjs')
const { installStamp, installedLockfile, lockfile, unfinished } = require('./paths.cjs')
const { readJson } = require('./stamp.cjs')

/** Whether node_modules holds what the lockfile says. Usually one hash; else the two lockfiles are compared. */
function isInstalled() {
  if (fs.existsSync(unfinished)) return false
  const stamp = readJson(installStamp)
  return stamp !== undefined && fs.existsSync(installedLockfile) && stamp.fingerprint === dependenciesFingerprint()
}

/** Whether somebody ran `npm install` by hand: npm's own record agrees with the lockfile, though our stamp does not. */
function agreesWithLockfile() {
  if (fs.existsSync(unfinished)) return false
  const wanted = readJson(lockfile)?.packages
  const found = readJson(installedLockfile)?.packages
  if (wanted === undefined || found === undefined) return false
  return Object.entries(wanted).every(([place, entry]) => {
    if (!place.startsWith('node_modules/')) return true
    const other = found[place]
    return other === undefined ? entry.optional === true || entry.devOptional === true : other.version === entry.version
  })
}

module.exports = { agreesWithLockfile, isInstalled }
