/* Prints what decides which tests can run here, so that a remembered result is not taken for another machine. */
'use strict'

const fs = require('node:fs')
const net = require('node:net')

const socket = process.env.DOCKER_HOST?.replace(/^unix:\/\//, '') ?? '/var/run/docker.sock'
const facts = { platform: process.platform, arch: process.arch, isRoot: process.getuid?.() === 0, docker: false }
if (!fs.existsSync(socket)) print()
else net.connect(socket, () => print({ docker: true })).once('error', () => print())

function print(more) {
  console.log(JSON.stringify({ ...facts, ...more }))
  process.exit(0)
}
