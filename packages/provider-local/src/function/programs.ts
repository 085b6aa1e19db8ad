import { createHash } from 'node:crypto'
import { access, chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Home } from '@pilot/host'
import { pythonBootstrap } from './program/bootstrap-python.ts'

/** From the sources while developing; a bundle, whose modules lie elsewhere, finds what the package ships. */
const source = (): string =>
  import.meta.url.endsWith('/src/function/programs.ts') ? fileURLToPath(new URL('./program/', import.meta.url)) : dirname(createRequire(import.meta.url).resolve('@pilot/provider-local/function/main'))

/**
 * The folder with the programs of functions, where every user of this machine can read it: Pilot itself may lie in a closed one. It
 * is named after its content, so that what runs keeps the programs that it was started with.
 */
export async function functionPrograms(home: Home): Promise<FunctionPrograms> {
  const from = source()
  const names = (await readdir(from)).filter((name) => /\.[jt]s$/.test(name) && !/\.(?:d|test)\.ts$/.test(name)).sort()
  const files = new Map([...(await Promise.all(names.map(async (name) => [name, await readFile(join(from, name), 'utf8')] as const))), ['bootstrap.py', pythonBootstrap], ['package.json', '{ "type": "module" }']])
  const digest = createHash('sha256').update(JSON.stringify([...files])).digest('hex').slice(0, 16)
  const folder = join(home.paths.reachable, 'function', digest)
  if (!(await exists(folder))) await write(folder, files)
  const ending = names.includes('main.ts') ? 'ts' : 'js'
  return { host: join(folder, `main.${ending}`), node: join(folder, `bootstrap-node.${ending}`), python: join(folder, 'bootstrap.py'), queue: join(folder, `queue-main.${ending}`) }
}

export interface FunctionPrograms {
  readonly host: string
  /** What a worker runs. */
  readonly node: string
  readonly python: string
  readonly queue: string
}

async function write(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  const temporary = `${folder}.${process.pid}.tmp`
  await mkdir(temporary, { recursive: true })
  try {
    for (const path of [join(folder, '..'), temporary]) await chmod(path, 0o755)
    for (const [name, text] of files) {
      await writeFile(join(temporary, name), text)
      await chmod(join(temporary, name), 0o644)
    }
    await rename(temporary, folder)
  } catch (error) {
    // Somebody else was faster.
    if (!(await exists(folder))) throw error
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false)
