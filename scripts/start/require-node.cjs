/*
 * Says in one sentence that this Node is too old. It runs in that old Node, so this file and those that load it first keep
 * to syntax of 2009: no const, no arrow functions, no template strings. (Measured by a test that parses them as ES5.)
 */
'use strict'

var oldest = 20
var major = parseInt(process.versions.node.split('.')[0], 10)

if (process.platform === 'win32') {
  console.error('Pilot runs on Windows through WSL 2: open a WSL terminal, clone the repository there and run the same command.')
  process.exit(1)
}
if (!(major >= oldest)) {
  console.error('Pilot needs Node ' + oldest + ' or newer to start, and this is ' + process.version + ' (' + process.execPath + '): install a newer one from https://nodejs.org and run the same command again.')
  process.exit(1)
}
