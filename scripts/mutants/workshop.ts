import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { mutated, packageOf } from './apply.ts'
import type { Mutant } from './table.ts'

/** A copy of the repository in which the code may be changed. Its packages import each other, and share everything else with the original. */
export interface Workshop {
  /** Whether these tests pass there; `mutant`: with its change made, and taken back afterwards. */
  passes(folder: string, files: readonly string[], mutant?: Mutant): Promise<TestRun>
  remove(): Promise<void>
}

export interface TestRun {
  readonly passed: boolean
  readonly output: string
}

/** Longer than any of these tests takes on a machine that is busy: one that hangs has noticed. */
const mostMs = 600_000

export async function openWorkshop(root: string): Promise<Workshop> {
  const copy = await mkdtemp(path.join(tmpdir(), 'pilot-mutants-'))
  const { stdout } = await promisify(execFile)('git', ['ls-files', '-co', '--exclude-standard', 'packages', 'scripts', '*.json', '*.ts'], { cwd: root, maxBuffer: 64 * 1024 ** 2 })
  for (const file of new Set(stdout.split('\n').filter((name) => name !== '' && !name.startsWith('e2e/')))) {
    await mkdir(path.join(copy, path.dirname(file)), { recursive: true })
    await cp(path.join(root, file), path.join(copy, file), { verbatimSymlinks: true }).catch(ignoreAbsent)
  }
  await shareModules({ from: path.join(root, 'node_modules'), to: path.join(copy, 'node_modules'), copy })
  for (const name of await readdir(path.join(root, 'packages'))) {
    await shareModules({ from: path.join(root, 'packages', name, 'node_modules'), to: path.join(copy, 'packages', name, 'node_modules'), copy }).catch(ignoreAbsent)
  }

  return {
    async passes(folder, files, mutant) {
      if (mutant === undefined) return runTests({ root, cwd: path.join(copy, folder), files })
      const file = path.join(copy, mutant.file)
      const text = await readFile(file, 'utf8')
      await writeFile(file, mutated(text, mutant))
      try {
        return await runTests({ root, cwd: path.join(copy, packageOf(mutant.file)), files })
      } finally {
        await writeFile(file, text)
      }
    },
    remove: () => rm(copy, { recursive: true, force: true }),
  }
}

/** Links to what is installed; our own packages are those of the copy. */
async function shareModules({ from, to, copy }: { from: string; to: string; copy: string }): Promise<void> {
  const names = await readdir(from)
  await mkdir(to, { recursive: true })
  for (const name of names) if (name !== '@pilot') await symlink(path.join(from, name), path.join(to, name))
  if (!names.includes('@pilot')) return
  await mkdir(path.join(to, '@pilot'))
  for (const name of await readdir(path.join(copy, 'packages'))) await symlink(path.join(copy, 'packages', name), path.join(to, '@pilot', name))
}

function runTests({ root, cwd, files }: { root: string; cwd: string; files: readonly string[] }): Promise<TestRun> {
  const { FORCE_COLOR: _, PILOT_CAMPAIGN: __, ...env } = process.env
  const child = spawn(process.execPath, [path.join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--bail', '1', '--reporter', 'dot', ...files], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void (output = `${output}${chunk.toString()}`.slice(-20_000)))
  // With what it started: it leads a group of its own.
  const end = () => process.kill(-child.pid!, 'SIGKILL')
  process.once('exit', end)
  const timer = setTimeout(end, mostMs)
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(timer)
      process.off('exit', end)
      resolve({ passed: code === 0, output })
    })
  })
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
