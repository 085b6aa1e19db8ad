'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { root } = require('../start/paths.cjs')

/**
 * Adds up what the reporter wrote in each folder. Every test that failed or was skipped is named, a skipped one with its
 * reason; the last line is the sum alone. Where skipping is not allowed (CI), a skip is no success.
 */
function summarize({ folders, isCi }) {
  const results = folders.map((folder) => ({ folder, ...read(folder) }))
  const sum = (field) => results.reduce((total, result) => total + result[field], 0)
  const failed = results.flatMap(({ folder, failures }) => failures.map(({ name }) => `  ${folder}: ${name}`))
  const skipped = results.flatMap(({ folder, skips }) => skips.map(({ name, reason }) => `  ${folder}: ${name}\n    because ${reason ?? 'of nothing that it names'}`))

  const lines = []
  if (failed.length > 0) lines.push('Failed:', ...failed, '')
  if (skipped.length > 0) lines.push(isCi ? 'Skipped, which counts as a failure with CI=true:' : 'Skipped:', ...skipped, '')
  lines.push(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
  return { text: lines.join('\n'), isGood: sum('failed') === 0 && sum('passed') > 0 && (sum('skipped') === 0 || !isCi) }
}

function read(folder) {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, folder, 'test-results.json'), 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: 0, failures: [{ name: 'the tests ended without a result; their output is above' }], skips: [] }
  }
}

module.exports = { summarize }
