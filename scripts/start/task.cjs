'use strict'

const path = require('node:path')
const { chooseNode } = require('./node.cjs')
const { modules, root } = require('./paths.cjs')
const { environmentForTools, prepare } = require('./prepare.cjs')
const { runInstead } = require('./run-instead.cjs')

/** Programs of node_modules with their arguments. */
const tasks = {
  build: ['nx/dist/bin/nx.js', 'run-many', '-t', 'build', '--outputStyle=stream'],
  typecheck: ['typescript/bin/tsc', '-p', 'tsconfig.json'],
  lint: ['oxlint/bin/oxlint', '--type-aware', '--deny-warnings'],
}

const [name, ...more] = process.argv.slice(2)

main().catch((error) => {
  console.error(error.help ?? error)
  process.exit(1)
})

async function main() {
  const task = tasks[name]
  if (task === undefined) throw Object.assign(new Error(name), { help: `Usage: node scripts/run.cjs ${Object.keys(tasks).join('|')}` })
  await prepare({ build: false })
  const [program, ...args] = task
  await runInstead({ command: chooseNode(), args: [path.join(modules, program), ...args, ...more], env: environmentForTools(), cwd: root })
}
