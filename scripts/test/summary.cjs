'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { root } = require('../start/paths.cjs')

/**
 * Adds up what the reporter wrote in each folder. Every test that failed is named, and every reason for which some were
 * skipped; the last line is the sum alone. Where skipping is not allowed (CI), a skip is no success.
 */
function summarize({ folders, isCi }) {
  const results = folders.map((folder) => ({ folder, ...read(folder) }))
  const sum = (field) => results.reduce((total, result) => total + result[field], 0)
  const failed = results.flatMap(({ folder, failures }) => failures.map(({ name }) => `  ${folder}: ${name}`))
  const skipped = describeSkips(results.flatMap(({ folder, skips }) => skips.map(({ name, reason }) => ({ test: `${folder}: ${name}`, reason: reason ?? 'they do not say why' }))))

  const lines = []
  if (failed.length > 0) lines.push('Failed:', ...failed, '')
  if (skipped.length > 0) lines.push(...skipped, ...(isCi ? ['With CI=true a skipped test counts as a failure.'] : []), '')
  lines.push(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
  return { text: lines.join('\n'), isGood: sum('failed') === 0 && sum('passed') > 0 && (sum('skipped') === 0 || !isCi) }
}

/** By reason. Of many tests that share one, their files are named, with how many each has. */
function describeSkips(skips) {
  const reasons = [...new Set(skips.map(({ reason }) => reason))]
  return reasons.flatMap((reason) => {
    const tests = skips.filter((skip) => skip.reason === reason).map(({ test }) => test)
    const shown = tests.length <= 10 ? tests : countByFile(tests)
    return [`Skipped ${tests.length === 1 ? 'one test' : `${tests.length} tests`}, because ${reason}:`, ...shown.map((line) => `  ${line}`)]
  })
}

function countByFile(tests) {
  const files = tests.map((test) => test.split(' > ')[0])
  return [...new Set(files)].map((file) => `${file} (${files.filter((other) => other === file).length})`)
}

function read(folder) {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, folder, 'test-results.json'), 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: 0, failures: [{ name: 'the tests ended without a result; their output is above' }], skips: [] }
  }
}

module.exports = { summarize }
