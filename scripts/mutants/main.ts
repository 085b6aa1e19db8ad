/**
 * Breaks each invariant in a copy of the repository, and looks whether its tests notice.
 *
 *   npm run mutants              all of them
 *   npm run mutants -- NAME …    these
 *
 * Prints a table, and ends with 1 when one survives.
 */
import path from 'node:path'
import { packageOf } from './apply.ts'
import { mutants, type Mutant } from './table.ts'
import { openWorkshop, type Workshop } from './workshop.ts'

interface Result {
  readonly mutant: Mutant
  readonly noticed: boolean
  readonly by: string
  readonly seconds: number
}

/** At once; each has a copy of its own. */
const lanes = 2

const root = path.resolve(import.meta.dirname, '../..')
const named = process.argv.slice(2)
const unknown = named.filter((name) => !mutants.some((mutant) => mutant.name === name))
if (unknown.length > 0) {
  console.error(`Not known: ${unknown.join(', ')}. There are ${mutants.map(({ name }) => name).join(', ')}.`)
  process.exit(2)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const chosen = mutants.filter(({ name }) => named.length === 0 || named.includes(name))
const workshops = await Promise.all(Array.from({ length: Math.min(lanes, chosen.length) }, () => openWorkshop(root)))
try {
  await assertPassWithout(workshops[0]!)
  const waiting = [...chosen]
  const results: Result[] = []
  await Promise.all(
    workshops.map(async (workshop) => {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const result = await tryMutant(workshop, mutant)
        results.push(result)
        console.log(`${result.noticed ? 'noticed ' : 'SURVIVED'}  ${mutant.name}  ${result.seconds} s`)
      }
    }),
  )
  report(results.toSorted((a, b) => chosen.indexOf(a.mutant) - chosen.indexOf(b.mutant)))
} finally {
  await Promise.all(workshops.map((workshop) => workshop.remove()))
}

/** A test that fails anyway notices nothing. */
async function assertPassWithout(workshop: Workshop): Promise<void> {
  for (const [folder, ofPackage] of Map.groupBy(chosen, ({ file }) => packageOf(file))) {
    const files = [...new Set(ofPackage.flatMap(({ tests }) => tests))]
    console.log(`Without a change: ${files.length} test files of ${folder}`)
    const { passed, output } = await workshop.passes(folder, files)
    if (!passed) throw new Error(`They do not pass without a change:\n${output}`)
  }
}

/** One test file after the other, until one notices. */
async function tryMutant(workshop: Workshop, mutant: Mutant): Promise<Result> {
  const started = performance.now()
  const seconds = () => Math.round((performance.now() - started) / 1000)
  for (const file of mutant.tests) {
    const { passed } = await workshop.passes(packageOf(mutant.file), [file], mutant)
    if (!passed) return { mutant, noticed: true, by: file, seconds: seconds() }
  }
  return { mutant, noticed: false, by: '', seconds: seconds() }
}

function report(results: readonly Result[]): void {
  console.log('\n| | invariant | noticed by | seconds |\n|---|---|---|---|')
  for (const { mutant, noticed, by, seconds } of results) console.log(`| ${mutant.name} | ${mutant.invariant} | ${noticed ? by : '**nothing**'} | ${seconds} |`)
  const survived = results.filter(({ noticed }) => !noticed)
  console.log(`\n${results.length - survived.length} of ${results.length} were noticed.`)
  if (survived.length > 0) process.exitCode = 1
}
