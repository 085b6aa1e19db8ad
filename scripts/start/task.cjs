'use strict'

const path = require('node:path')
const { chooseNode } = require('./node.cjs')
const { modules, root } = require('./paths.cjs')
const { environmentForTools, prepare } = require('./prepare.cjs')
const { runInstead } = require('./run-instead.cjs')

/** What Node runs, with its arguments. */
const tasks = {
  build: [path.join(modules, 'nx/dist/bin/nx.js'), 'run-many', '-t', 'build', '--outputStyle=stream'],
  typecheck: [path.join(modules, 'typescript/bin/tsc'), '-p', 'tsconfig.json'],
  lint: [path.join(modules, 'oxlint/bin/oxlint'), '--type-aware', '--deny-warnings'],
  campaign: ['--conditions=@pilot/source', path.join(root, 'scripts/campaign.ts')],
  mutants: ['--conditions=@pilot/source', path.join(root, 'scripts/mutants/main.ts')],
  audit: ['--conditions=@pilot/source', path.join(root, 'scripts/supply-chain/audit.ts')],
  docs: ['--conditions=@pilot/source', path.join(root, 'scripts/docs.ts')],
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
  await runInstead({ command: chooseNode(), args: [...task, ...more], env: environmentForTools(), cwd: root })
}
