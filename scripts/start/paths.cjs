'use strict'

const path = require('node:path')

const root = path.resolve(__dirname, '../..')
/** Ours, outside Git, and not removed together with node_modules. */
const stateDir = path.join(root, '.nx/start')

module.exports = {
  root,
  stateDir,
  modules: path.join(root, 'node_modules'),
  lockfile: path.join(root, 'package-lock.json'),
  /** Written by npm when an installation has ended. */
  installedLockfile: path.join(root, 'node_modules/.package-lock.json'),
  installStamp: path.join(root, 'node_modules/.pilot-installed.json'),
  buildStamp: path.join(stateDir, 'built.json'),
  /** There while an installation runs: found afterwards, the installation was interrupted. */
  unfinished: path.join(stateDir, 'installing'),
}
