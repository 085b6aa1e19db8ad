'use strict'

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')

function identityOf(pid) {
  return { pid, startTime: startTime(pid) }
}

function isAlive({ pid, startTime: recorded }) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (error.code === 'ESRCH') return false
  }
  return startTime(pid) === recorded
}

/** As the system tells it: pids are used again, a pid with its start time is not. */
function startTime(pid) {
  try {
    if (process.platform === 'linux') return fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[19]
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

module.exports = { identityOf, isAlive }
