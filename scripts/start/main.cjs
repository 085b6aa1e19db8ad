'use strict'

const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { environmentForPilot } = require('./environment.cjs')
const { isPrepared, prepare } = require('./prepare.cjs')
const { chooseNode } = require('./node.cjs')
const { root } = require('./paths.cjs')
const { isInTerminal, runInstead } = require('./run-instead.cjs')

const program = path.join(root, 'packages/tui/dist/bin/pilot.js')

main().catch((error) => {
  console.error(error.help ?? error)
  process.exit(1)
})

async function main() {
  const args = process.argv.slice(2)
  warnOfBanner(args)
  if (!isPrepared()) {
    // A shell that completes a command waits for no build.
    if (args[0] === '__complete') return
    await prepare()
  }

  const env = environmentForPilot(process.env)
  const node = chooseNode()
  if (node !== process.execPath || hearsSignalsTwice()) return runInstead({ command: node, args: [program, ...args], env })

  // The same Node: going on in this process saves the start of another one.
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
  Object.assign(process.env, env)
  process.argv = [process.execPath, program, ...args]
  await import(pathToFileURL(program).href)
}

/**
 * Ctrl-C in a terminal reaches every process of the command, and npm passes it on to us once more. For `pilot` the second one
 * has a meaning of its own, so it then runs as a process that only the terminal speaks to.
 */
function hearsSignalsTwice() {
  return process.env.npm_lifecycle_event !== undefined && isInTerminal()
}

/** npm writes two lines of its own to standard output before this script runs, which breaks a program that reads JSON. */
function warnOfBanner(args) {
  const isPiped = process.env.npm_lifecycle_event === 'start' && !process.stdout.isTTY
  if (isPiped && args.includes('--json') && process.env.npm_config_loglevel !== 'silent') {
    console.error(`npm wrote two lines of its own before the JSON. For a program, use: npm start -s -- ${args.join(' ')}`)
  }
}
