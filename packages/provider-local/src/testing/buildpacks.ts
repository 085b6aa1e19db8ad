import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, copyFile, cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withFileLock } from '@pilot/host'
import Docker from 'dockerode'
import { pack } from 'tar-stream'
import { ensureBaseImages } from '../../../../e2e/environments/docker-base-images.ts'

/**
 * A real `pack`, a real lifecycle, and a builder of our own with one small buildpack, since no vendor's can be pulled in a test. The programs are
 * built with Go, once, into a cache beside the repository's business; a builder is made for one test file each.
 */
const packVersion = '0.40.6'
const lifecycleVersion = '0.20.11'
const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'pilot-tests', `buildpacks-${packVersion}-${lifecycleVersion}`)
const run = promisify(execFile)

const modules = [
  { module: 'pack', version: packVersion, flags: `-X github.com/buildpacks/pack/pkg/client.Version=${packVersion}`, programs: { pack: '.' } },
  { module: 'lifecycle', version: lifecycleVersion, flags: `-X github.com/buildpacks/lifecycle/cmd.Version=${lifecycleVersion}`, programs: { lifecycle: './cmd/lifecycle', launcher: './cmd/launcher' } },
] as const
const programs = modules.flatMap(({ programs }) => Object.keys(programs))

/** Why they cannot be had; undefined when they are there. */
export async function withoutBuildpacks(): Promise<string | undefined> {
  const areThere = (): boolean => programs.every((program) => existsSync(join(folder, program)))
  if (areThere()) return undefined
  try {
    await mkdir(folder, { recursive: true })
    await withFileLock(`${folder}.lock`, async () => {
      if (!areThere()) for (const each of modules) await buildPrograms(each)
    }, { timeoutMs: 900_000 })
    return undefined
  } catch (error) {
    return `this needs pack and the lifecycle of buildpacks, which cannot be built here: ${(error as Error).message.split('\n')[0]}`
  }
}

/** Their modules replace others, which `go install` refuses: so they are built in a copy of their folder. */
async function buildPrograms({ module, version, flags, programs }: (typeof modules)[number]): Promise<void> {
  const dir = await mkdtemp(join(folder, '..', `${module}-`))
  try {
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod' }
    const { stdout } = await run('go', ['mod', 'download', '-json', `github.com/buildpacks/${module}@v${version}`], { cwd: dir, env, timeout: 300_000 })
    const source = join(dir, 'source')
    await cp((JSON.parse(stdout) as { Dir: string }).Dir, source, { recursive: true })
    await run('chmod', ['-R', 'u+w', source])
    for (const [program, path] of Object.entries(programs)) {
      await run('go', ['build', '-trimpath', '-buildvcs=false', '-ldflags', `-s -w ${flags}`, '-o', join(dir, program), path], { cwd: source, env, timeout: 600_000, maxBuffer: 64 * 1024 ** 2 })
      await rename(join(dir, program), join(folder, program))
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

export interface TestBuilder {
  /** The image to name as the builder. */
  readonly name: string
  /** The folder with `pack`, for PATH. */
  readonly path: string
  /** A HOME as a user has it who trusts this builder, has it as the default, and pulls nothing; its `.pack` alone is `packHome`. */
  readonly home: string
  readonly packHome: string
  remove(): Promise<void>
}

/** The builder's buildpack takes sources with a package.json; see `buildpack` below. */
export async function makeTestBuilder(): Promise<TestBuilder> {
  const docker = new Docker()
  await ensureBaseImages(['node:24-slim'])
  const dir = await mkdtemp(join(tmpdir(), 'pilot-buildpacks-'))
  const id = randomBytes(6).toString('hex')
  const [base, name, packHome] = [`pilot-test/buildpack-base:${id}`, `pilot-test/builder:${id}`, join(dir, '.pack')]
  await buildBase(docker, { base, id })
  await writeLifecycle(dir)
  await writeBuildpack(join(dir, 'buildpack'))
  await writeFile(join(dir, 'builder.toml'), builderToml(base))
  await mkdir(packHome)
  await mkdir(join(dir, 'bin'))
  await symlink(join(folder, 'pack'), join(dir, 'bin', 'pack'))
  await run(join(folder, 'pack'), ['builder', 'create', name, '--config', join(dir, 'builder.toml'), '--pull-policy', 'never'], { env: { ...process.env, PACK_HOME: packHome } })
  await writeFile(join(packHome, 'config.toml'), `default-builder-image = "${name}"\npull-policy = "never"\n[[trusted-builders]]\nname = "${name}"\n`)
  return {
    name,
    path: join(dir, 'bin'),
    home: dir,
    packHome,
    async remove() {
      for (const image of [name, base]) await docker.getImage(image).remove({ force: true }).catch(() => {})
      await rm(dir, { recursive: true })
    },
  }
}

async function buildBase(docker: Docker, { base, id }: { base: string; id: string }): Promise<void> {
  const tar = pack()
  tar.entry({ name: 'Dockerfile' }, `FROM node:24-slim\nLABEL pilot.test=${id}\nENV CNB_USER_ID=1000 CNB_GROUP_ID=1000\nUSER 1000:1000\n`)
  tar.finalize()
  const response = await docker.buildImage(tar as unknown as NodeJS.ReadableStream, { t: base, rm: true })
  await new Promise<void>((resolve, reject) => docker.modem.followProgress(response, (error: Error | null) => (error ? reject(error) : resolve())))
}

async function writeLifecycle(dir: string): Promise<void> {
  const lifecycle = join(dir, 'lifecycle')
  await mkdir(lifecycle)
  for (const program of ['lifecycle', 'launcher']) await copyFile(join(folder, program), join(lifecycle, program))
  for (const phase of ['analyzer', 'builder', 'creator', 'detector', 'exporter', 'extender', 'rebaser', 'restorer']) await symlink('lifecycle', join(lifecycle, phase))
  await writeFile(join(dir, 'lifecycle.toml'), `[apis.buildpack]\ndeprecated = []\nsupported = ["0.11"]\n[apis.platform]\ndeprecated = []\nsupported = ["0.13"]\n[lifecycle]\nversion = "${lifecycleVersion}"\n`)
  await run('tar', ['-C', dir, '-czf', join(dir, 'lifecycle.tgz'), 'lifecycle.toml', 'lifecycle'])
}

const builderToml = (base: string): string => `[build]
image = "${base}"
[[run.images]]
image = "${base}"
[lifecycle]
uri = "lifecycle.tgz"
[[buildpacks]]
uri = "buildpack"
[[order]]
[[order.group]]
id = "pilot/test"
version = "0.0.1"
`

async function writeBuildpack(dir: string): Promise<void> {
  await mkdir(join(dir, 'bin'), { recursive: true })
  await writeFile(join(dir, 'buildpack.toml'), 'api = "0.11"\n[buildpack]\nid = "pilot/test"\nversion = "0.0.1"\n[[targets]]\nos = "linux"\n')
  for (const [name, script] of Object.entries(buildpack)) {
    await writeFile(join(dir, 'bin', name), script)
    await chmod(join(dir, 'bin', name), 0o755)
  }
}

/**
 * What starts of the image gets WORD; processes are those of a Procfile, else `web` and one that is offered. Tells the files that it got. It fails where the
 * source has a file `broken`, and hangs where it has one `slow`.
 */
const buildpack = {
  detect: '#!/bin/sh\n[ -f package.json ] || exit 100\n',
  build: `#!/bin/sh
set -e
echo "The files are" $(find . -type f | sort)
echo "FLAVOUR is $(cat "$CNB_PLATFORM_DIR/env/FLAVOUR" 2>/dev/null)"
if [ -f broken ]; then echo 'this source is broken'; exit 3; fi
if [ -f slow ]; then echo 'hanging on'; sleep 600; fi
layer="$CNB_LAYERS_DIR/words"
if [ -f "$layer/made" ]; then echo 'the layer is there'; fi
mkdir -p "$layer/env.launch"
printf 'from the buildpack' > "$layer/env.launch/WORD"
touch "$layer/made"
printf '[types]\\nlaunch = true\\ncache = true\\n' > "$CNB_LAYERS_DIR/words.toml"
process() { printf '[[processes]]\\ntype = "%s"\\ncommand = ["sh", "-c", "%s"]\\ndefault = %s\\n' "$1" "$2" "$3" >> "$CNB_LAYERS_DIR/launch.toml"; }
if [ -f Procfile ]; then
  while IFS=: read -r type command; do
    if [ "$type" = web ]; then process "$type" "exec\${command}" true; else process "$type" "exec\${command}" false; fi
  done < Procfile
else
  process web 'exec node server.js' true
  process task 'exec node server.js' false
fi
`,
} as const
