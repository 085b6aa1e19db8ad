import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { folderOf } from '../../testing/folder.ts'
import { runCommand, startCommand, type RunOptions } from '../../testing/run-command.ts'

const compose = 'name: shop\nservices:\n  web:\n    build: .\n    ports: ["80:3000"]\n    privileged: true\n    environment: { LOG_LEVEL: info, API_KEY: hunter2hunter2 }\n'
const run = (argv: string[], options: RunOptions) => runCommand(['import', ...argv], options)

describe('import', () => {
  test('shows pilot.yaml and what was left out, and needs an answer', async () => {
    await using folder = await folderOf({ 'compose.yaml': compose })
    const { exit, stdout, stderr } = await run(['compose.yaml'], { cwd: folder.path })
    expect(exit).toBe(2)
    expect(stderr).toContain('│     port: 3000')
    expect(stderr).toContain('compose.yaml:6 services.web.privileged  Apps run without privileges.')
    expect(stderr).toContain('compose.yaml:7 services.web.environment.API_KEY')
    expect(stderr).toContain('--yes')
    expect(stdout + stderr).not.toContain('hunter2')
    expect(existsSync(join(folder.path, 'pilot.yaml'))).toBe(false)
  })

  test('writes it after the question, and says which secrets want a value', async () => {
    await using folder = await folderOf({ 'compose.yaml': compose })
    const running = startCommand(['import', 'compose.yaml'], { terminal: true, cwd: folder.path })
    await running.printed('Write pilot.yaml?')
    running.type('\r')
    const { exit, stdout, stderr } = await running.done
    expect({ exit, stdout }).toMatchObject({ exit: 0, stdout: expect.stringContaining('Wrote pilot.yaml') })
    expect(stderr).toContain('pilot secret set web API_KEY')
    const text = await readFile(join(folder.path, 'pilot.yaml'), 'utf8')
    expect(text).toContain('secrets: [ API_KEY ]')
    expect(text).not.toContain('hunter2')
    expect((await run(['compose.yaml'], { cwd: folder.path })).stderr).toContain('says the same already')
  })

  test('never replaces a pilot.yaml without being told', async () => {
    await using folder = await folderOf({ Procfile: 'web: node server.js\n', 'pilot.yaml': 'project: mine\napps: { web: { source: . } }\n' })
    const file = join(folder.path, 'pilot.yaml')
    expect(await run(['Procfile', '--yes'], { cwd: folder.path })).toMatchObject({ exit: 2, stderr: expect.stringContaining('--overwrite') })
    expect(await readFile(file, 'utf8')).toContain('mine')
    expect((await run(['Procfile', '--overwrite', '--name', 'other'], { cwd: folder.path })).exit).toBe(0)
    expect(await readFile(file, 'utf8')).toContain('project: other')
  })

  test('of Kamal goes beside the folder config; --print writes nothing', async () => {
    await using folder = await folderOf({ 'config/deploy.yml': 'service: shop\nimage: acme/shop\nservers: [a]\n' })
    const printed = await run(['config/deploy.yml', '--print'], { cwd: folder.path })
    expect(printed.stdout).toContain('project: shop')
    expect(existsSync(join(folder.path, 'pilot.yaml'))).toBe(false)
    expect((await run(['config/deploy.yml', '--yes'], { cwd: folder.path })).exit).toBe(0)
    expect(existsSync(join(folder.path, 'pilot.yaml'))).toBe(true)
  })

  test('for a program the last line has manifest, findings and secrets', async () => {
    await using folder = await folderOf({ 'waypoint.hcl': 'project = "shop"\napp "web" { config { env = { TOKEN = dynamic("vault", {}) } } }\n' })
    const { exit, stdout } = await run(['waypoint.hcl', '--yes', '--json'], { cwd: folder.path })
    expect(exit).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ type: 'operation.finished', result: { written: true, manifest: { project: 'shop' }, findings: [{ line: 2, kind: 'left out', what: 'config.env.TOKEN' }], secrets: [{ app: 'web', name: 'TOKEN' }] } })
  })

  test.each([
    ['a file that is not there', 'nothing.yaml', {}, /nothing\.yaml cannot be read\.\n +Why +There is no such file\./],
    ['a file of another kind', 'x.txt', { 'x.txt': 'hello' }, /--from/],
    ['a file that is broken', 'compose.yaml', { 'compose.yaml': 'services:\n  a: [' }, /compose\.yaml:2:/],
    ['HCL that is broken', 'waypoint.hcl', { 'waypoint.hcl': 'app "x" {' }, /waypoint\.hcl:\d+:\d+/],
  ])('%s is refused and writes nothing', async (_, file, files, message) => {
    await using folder = await folderOf(files)
    expect(await run([file, '--yes'], { cwd: folder.path })).toMatchObject({ exit: 2, stderr: expect.stringMatching(message) })
    expect(existsSync(join(folder.path, 'pilot.yaml'))).toBe(false)
  })

  test('takes the format from the content, or from --from', async () => {
    await using folder = await folderOf({ 'stack.yml': compose, processes: 'web: node server.js\n' })
    expect((await run(['stack.yml', '--print'], { cwd: folder.path })).stdout).toContain('port: 3000')
    expect((await run(['processes', '--from', 'procfile', '--print'], { cwd: folder.path })).stdout).toContain('command: node server.js')
  })
})
