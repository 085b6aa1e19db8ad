/** Builds one package: `node scripts/build/package.ts packages/core`. Called by Nx, which caches the result. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import path from 'node:path'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import { billOf } from '../supply-chain/bill.ts'
import { readLockfile } from '../supply-chain/lockfile.ts'
import { calledLater, external, programs } from './programs.ts'

const root = path.resolve(import.meta.dirname, '../..')
const folder = process.argv[2]
if (folder === undefined || !existsSync(path.join(root, folder, 'tsconfig.build.json'))) {
  console.error('Usage: node scripts/build/package.ts FOLDER-OF-A-PACKAGE')
  process.exit(2)
}

await rm(path.join(root, folder, 'dist'), { recursive: true, force: true })
await compile(folder)
const inputs = await Promise.all((programs[folder] ?? []).map((program) => bundle(folder, program)))
await writeFile(path.join(root, folder, 'dist/sbom.cdx.json'), `${JSON.stringify(billOf({ folder, inputs: inputs.flat(), lockfile: await readLockfile() }), undefined, 2)}\n`)

/** JavaScript and declarations of every module, for those who import the package. Types are checked by `npm run typecheck`, all at once. */
async function compile(folder: string): Promise<void> {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
  const child = spawn(process.execPath, [tsc, '-p', path.join(folder, 'tsconfig.build.json'), '--noCheck'], { cwd: root, stdio: 'inherit' })
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('exit', resolve))
  if (code !== 0) process.exit(code ?? 1)
  await nameJavaScriptInTypes(path.join(root, folder, 'dist'))
}

/** tsc rewrites `./x.ts` to `./x.js` in JavaScript but not in declarations, where a reader outside would look for sources. */
async function nameJavaScriptInTypes(dist: string): Promise<void> {
  for (const name of await readdir(dist, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue
    const file = path.join(dist, name)
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace(/(\bfrom |\bimport\(|\bimport )(['"])(\.{1,2}\/[^'"]+)\.tsx?\2/g, '$1$2$3.js$2'))
  }
}

/** Puts a function in place of a module that loads the module when it is called. */
function callLater(): Plugin {
  return {
    name: 'call-later',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\/(ssh|session)$/ }, ({ path: specifier, importer }) => {
        const found = calledLater.find((later) => later.specifier === specifier && later.importer.test(importer))
        return found && { path: found.real, namespace: 'call-later' }
      })
      onLoad({ filter: /.*/, namespace: 'call-later' }, ({ path: real }) => ({ contents: `module.exports = (...given) => require(${JSON.stringify(real)})(...given)`, loader: 'js' }))
    },
  }
}

/**
 * Reads Node's own modules as properties. An ESM import of one evaluates all of its exports, also those that Node loads when they
 * are first used: with node:http come WebSocket and fetch, 11 MiB in each process. What is imported by name becomes a constant of its own,
 * since esbuild otherwise gives every importing module an object with a getter for each export: 15,000 of them in the server.
 */
function nodeModulesAsProperties(): Plugin {
  return {
    name: 'node-modules-as-properties',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /.*/ }, ({ path: name, kind }) => (isBuiltin(name) ? { path: name.replace(/^node:/, ''), namespace: kind === 'import-statement' ? 'node-by-name' : 'node' } : undefined))
      onLoad({ filter: /.*/, namespace: 'node' }, ({ path: name }) => ({ contents: `module.exports = process.getBuiltinModule(${JSON.stringify(name)})`, loader: 'js' }))
      onLoad({ filter: /.*/, namespace: 'node-by-name' }, ({ path: name }) => ({ contents: namesOf(name), loader: 'js' }))
    },
  }
}

/** Each name is read only where somebody imports it. */
function namesOf(builtin: string): string {
  const names = Object.getOwnPropertyNames(process.getBuiltinModule(builtin)).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default')
  return [
    `const it = process.getBuiltinModule(${JSON.stringify(builtin)})`,
    'const read = (name) => it[name]',
    'export default it',
    ...names.map((name, index) => `const n${index} = /* @__PURE__ */ read(${JSON.stringify(name)})`),
    `export { ${names.map((name, index) => `n${index} as ${name}`).join(', ')} }`,
  ].join('\n')
}

/** A program that another one of the package loads stays a file of its own. */
function otherPrograms(folder: string, entry: string): Plugin {
  const files = (programs[folder] ?? []).filter((other) => other !== entry).map((other) => path.join(root, folder, 'src', other))
  return {
    name: 'other-programs',
    setup({ onResolve }) {
      onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ path: specifier, resolveDir }) => (files.includes(path.join(resolveDir, specifier)) ? { path: specifier.replace(/\.ts$/, '.js'), external: true } : undefined))
    },
  }
}

/** The files that are in it. */
async function bundle(folder: string, entry: string): Promise<readonly string[]> {
  const source = path.join(root, folder, 'src', entry)
  const outdir = path.join(root, folder, 'dist', path.dirname(entry))
  const options = {
    absWorkingDir: root,
    metafile: true,
    entryPoints: [source],
    outdir,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.19',
    conditions: ['@pilot/source', 'module'],
    external: [...external, ...calledLater.map(({ real }) => real)],
    plugins: [callLater(), nodeModulesAsProperties(), otherPrograms(folder, entry)],
    // Names stay readable in stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'linked',
    // CommonJS packages call require for Node's own modules.
    banner: { js: "import { createRequire as __pilotRequire } from 'node:module';const require = __pilotRequire(import.meta.url);" },
    logLevel: 'warning',
  } satisfies BuildOptions
  const { metafile } = await build(options)
  await chmod(path.join(outdir, `${path.basename(entry, '.ts')}.js`), 0o755)
  return Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs).filter((input) => output.inputs[input]!.bytesInOutput > 0))
}
