'use strict'

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { chooseNode } = require('../start/node.cjs')
const { modules, root } = require('../start/paths.cjs')
const { environmentForTools, prepare } = require('../start/prepare.cjs')
const { readJson } = require('../start/stamp.cjs')
const { summarize } = require('./summary.cjs')

const slow = ['e2e']
const help = `npm test                 all tests
npm test -- --fast       without the slow part (${slow.join(', ')})
npm test -- --slow       the slow part alone
npm test -- FOLDER …     only these packages, for example packages/core
npm test -- --again      also what passed before and has not changed since`

main().catch((error) => {
  console.error(error.help ?? error)
  process.exit(1)
})

async function main() {
  const options = process.argv.slice(2)
  if (options.includes('--help')) return console.log(help)
  const folders = chooseFolders(options)
  await prepare({ build: false })

  for (const folder of folders) fs.rmSync(path.join(root, folder, 'test-results.json'), { force: true })
  const code = await runTests({ folders, again: options.includes('--again') })
  const { text, isGood } = summarize({ folders, isCi: isSet(process.env.CI) })
  process.stdout.write(`\n${text}\n`)
  process.exitCode = isGood && code === 0 ? 0 : 1
}

function chooseFolders(options) {
  const all = [...fs.readdirSync(path.join(root, 'packages')).sort().map((name) => `packages/${name}`), 'scripts', ...slow].filter((folder) => nameOf(folder) !== undefined)
  const named = options.filter((option) => !option.startsWith('-')).map((option) => option.replace(/\/+$/, ''))
  const wrong = [...named.filter((name) => !all.includes(name)), ...options.filter((option) => option.startsWith('-') && !['--fast', '--slow', '--again'].includes(option))]
  if (wrong.length > 0) throw Object.assign(new Error(wrong.join()), { help: `Not known: ${wrong.join(', ')}. There are ${all.join(', ')}.\n${help}` })
  if (named.length > 0) return named
  if (options.includes('--slow')) return slow
  return options.includes('--fast') ? all.filter((folder) => !slow.includes(folder)) : all
}

function runTests({ folders, again }) {
  const projects = folders.map(nameOf)
  const nx = path.join(modules, 'nx/dist/bin/nx.js')
  const args = [nx, 'run-many', '-t', 'test', '--projects', projects.join(','), '--outputStyle=stream', '--nxBail=false', ...(again ? ['--skipNxCache'] : [])]
  const child = spawn(chooseNode(), args, { cwd: root, env: environmentForTools(), stdio: ['ignore', 'inherit', 'inherit'] })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => child.once('error', reject).once('exit', (code) => resolve(code ?? 1)))
}

/** As Nx knows it. */
function nameOf(folder) {
  return (readJson(path.join(root, folder, 'project.json')) ?? readJson(path.join(root, folder, 'package.json')))?.name
}

function isSet(value) {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false'
}
