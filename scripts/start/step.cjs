'use strict'

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { root, stateDir } = require('./paths.cjs')

/**
 * Runs a program with its output in a log file. On standard error stands what runs and for how long: a line that is rewritten
 * in a terminal, else one at the beginning and one at the end. Throws with the end of the log.
 */
async function step({ title, log, command, args, env, started }) {
  const file = path.join(stateDir, log)
  fs.mkdirSync(stateDir, { recursive: true })
  const output = fs.openSync(file, 'w')
  const progress = showProgress(title)
  try {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', output, output] })
    if (child.pid !== undefined) started?.(child.pid)
    const stop = (signal) => child.kill(signal)
    process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop)
    const end = await new Promise((resolve) => {
      child.once('error', (error) => resolve(error.code === 'ENOENT' ? `${command} was not found` : error.message))
      child.once('exit', (code, signal) => resolve(signal ?? code))
    })
    process.off('SIGINT', stop).off('SIGTERM', stop).off('SIGHUP', stop)
    progress.end(end === 0)
    if (end === 'SIGINT' || end === 'SIGTERM' || end === 'SIGHUP') process.exit(130)
    if (end !== 0) throw Object.assign(new Error(title), { help: describeFailure({ title, end, file }) })
  } finally {
    fs.closeSync(output)
  }
}

function showProgress(title) {
  const started = Date.now()
  const elapsed = () => `${Math.round((Date.now() - started) / 1000)} s`
  const isLive = process.stderr.isTTY && !process.env.CI
  const draw = () => process.stderr.write(`\r\x1b[2K${title} … ${elapsed()}`)
  if (isLive) draw()
  else process.stderr.write(`${title} …\n`)
  const timer = isLive ? setInterval(draw, 1000) : undefined
  return {
    end(isGood) {
      clearInterval(timer)
      process.stderr.write(`${isLive ? '\r\x1b[2K' : ''}${title}: ${isGood ? 'done' : 'failed'} after ${elapsed()}\n`)
    },
  }
}

function describeFailure({ title, end, file }) {
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n')
  // npm says why at the beginning, compilers and the system at the end.
  const shown = lines.length <= 80 ? lines : [...lines.slice(0, 20), `… ${lines.length - 60} lines more …`, ...lines.slice(-40)]
  const how = typeof end === 'number' ? `exit code ${end}` : end
  return [...shown.map((line) => `  ${line}`), `${title} did not work (${how}). All of its output: ${file}`, 'Running the same command again starts this step anew.'].join('\n')
}

module.exports = { step }
