import { spawn } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { needsDocker } from '../driver/needs.ts'
import { openPilot, root, type Pilot } from '../driver/pilot.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'

/** What stands in examples/acme/README.md, typed: each of its steps goes on where the one before stopped. */
let pilot: Pilot
let acme: string
const steps = stepsOf(await readFile(join(root, 'examples/acme/README.md'), 'utf8'))

beforeAll(async () => {
  pilot = await openPilot()
  acme = await pilot.example('acme')
  // As `install-cli` writes it, for this clone and this home.
  const command = join(pilot.folder, 'bin/pilot')
  await mkdir(join(pilot.folder, 'bin'))
  await writeFile(command, `#!/bin/sh\nexec '${process.execPath}' --conditions=@pilot/source --disable-warning=ExperimentalWarning '${join(root, 'packages/tui/src/bin/pilot.ts')}' "$@"\n`)
  await chmod(command, 0o755)
})
afterAll(() => pilot?.[Symbol.asyncDispose]())
beforeEach(needsDocker)

const expected: Readonly<Record<string, (ran: Typed) => unknown>> = {
  'The monolith': ({ out }) => expect(out).toContain('Invoice 1\nanvil: $49.99'),
  'The front end leaves': ({ out }) => expect(out).toContain('Invoice 2\nanvil: $49.99'),
  'Accounts leave': ({ out }) => expect(out).toMatch(/Invoice 3\n[^]*auth +live 2\/2 +v1/),
  'Invoices leave': ({ out }) => expect(out).toMatch(/Invoice 4\n[^]*invoice 4 written[^]*\d waiting, \d in flight, 0 put aside\n\{"invoices":4\}/),
  "Somebody else's idea, with data of its own": ({ out, err }) => expect([out, err]).toEqual([expect.stringContaining('Invoice 1\n'), expect.stringContaining('Nothing is left')]),
  'A dearer anvil, carefully': ({ out }) => expect(out).toMatch(/canary +20 %[^]*50 orders, 0 failed[^]*50 orders, 0 failed/),
  'Look at it': ({ out }) => expect(out).toMatch(/invoice \d+ written/),
  'Back to nothing': ({ err }) => expect(err).toContain('Nothing is left.'),
}

test('every step of the page is expected to do something', () => expect(steps.map(({ title }) => title)).toEqual(Object.keys(expected)))

test.each(steps)('$title', { timeout: 300_000 }, async ({ title, script }) => {
  await ensureBaseImages(['node:24-slim'])
  const ran = await type(script)
  expect(ran.code, `${ran.out}\n${ran.err}`).toBe(0)
  expected[title]?.(ran)
})

interface Typed {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** As a person types it: in a shell, in the folder. Stops at the first command that fails. */
function type(script: string): Promise<Typed> {
  return new Promise((done) => {
    const env = { ...process.env, PILOT_HOME: pilot.home, NO_COLOR: '1', PATH: [join(pilot.folder, 'bin'), join(process.execPath, '..'), process.env['PATH']].join(delimiter) }
    for (const name of Object.keys(env)) if (/^(npm_|INIT_CWD$|CI$|VITEST)/i.test(name)) delete (env as Record<string, string>)[name]
    const shell = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd: acme, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const [out, err] = [shell.stdout, shell.stderr].map((stream) => {
      const text: string[] = []
      stream.setEncoding('utf8').on('data', (chunk: string) => text.push(chunk))
      return text
    }) as [string[], string[]]
    shell.on('close', (code) => done({ code, out: out.join(''), err: err.join('') }))
  })
}

/** The shell blocks below each numbered heading. */
function stepsOf(page: string): readonly { readonly title: string; readonly script: string }[] {
  return page
    .split(/^## /m)
    .flatMap((section) => {
      const title = /^\d+\. (.*)/.exec(section)?.[1]
      return title === undefined ? [] : [{ title, script: [...section.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, block]) => block).join('') }]
    })
}
