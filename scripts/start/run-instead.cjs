'use strict'

const { spawn } = require('node:child_process')
const { constants } = require('node:os')

/**
 * Runs a program in place of this process: same streams, signals passed on, same end. In a terminal Ctrl-C reaches the
 * program by itself, so it is not passed on a second time.
 */
function runInstead({ command, args, env, cwd }) {
  const child = spawn(command, args, { env, cwd, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) {
    process.on(signal, () => {
      const isFromTerminal = isInTerminal() && (signal === 'SIGINT' || signal === 'SIGQUIT')
      if (!isFromTerminal) child.kill(signal)
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 1)))
  })
}

/** Any of the three: output or input may be redirected, and Ctrl-C still comes. */
function isInTerminal() {
  return Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY)
}

module.exports = { isInTerminal, runInstead }
