import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ChannelInput } from '@pilot/server/contract'
import { startFakeServer } from '../../testing/fake-server.ts'
import { runCommand, type RunOptions } from '../../testing/run-command.ts'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'pilot-cli-'))))
afterEach(() => rm(folder, { recursive: true }))

async function run(argv: readonly string[], options: RunOptions = {}) {
  const bodies: ChannelInput[] = []
  await using server = await startFakeServer({
    putNotificationChannel: ({ params, body }: { params: { name: string }; body: ChannelInput }) => {
      bodies.push(body)
      return { channel: { name: params.name, platform: 'local', type: body.type, what: 'hooks.example.org', waiting: 0, failed: 0 }, ...(body.type === 'webhook' && body.format === 'json' ? { signingKey: 'k3y' } : {}) }
    },
    notificationChannels: () => ({ channels: [{ name: 'chat', platform: 'local', type: 'webhook', what: 'hooks.example.org', topics: ['disk'], project: 'shop', waiting: 2, failed: 1, last: { at: new Date().toISOString(), ok: false, error: 'answered 500' } }], damaged: [{ name: 'pager', problem: 'It cannot be \u001b[2Jdecrypted' }] }),
    history: () => ({ entries: [{ at: new Date().toISOString(), by: 'ada@laptop', what: 'up', platform: 'local', project: 'shop', environment: 'production', apps: ['api'], outcome: 'failed', ms: 4200, operation: 'op1', text: 'It \u001b[2Jbroke' }, { at: new Date().toISOString(), by: 'ci', what: 'secret.set', project: 'shop', apps: ['api'], outcome: 'done', text: 'set KEY of shop/api' }] }),
  } as never)
  return { ...(await runCommand(argv, { cwd: folder, ...options, env: { PILOT_HOME: server.home, ...options.env } })), bodies }
}

test('the address of a webhook comes from standard input or a file, and is nowhere in what is printed', async () => {
  const piped = await run(['notifications', 'add', 'webhook', 'chat', '--topic', 'disk', '--topic', 'failed', '-p', 'shop'], { stdin: 'https://hooks.example.org/s3cr3t\n' })
  expect(piped).toMatchObject({ exit: 0, stdout: 'k3y\n', bodies: [{ type: 'webhook', format: 'json', secret: 'https://hooks.example.org/s3cr3t', topics: ['disk', 'failed'], project: 'shop' }] })
  expect(piped.stdout + piped.stderr).not.toContain('s3cr3t')
  await writeFile(join(folder, 'url'), 'https://hooks.example.org/x\n')
  expect((await run(['notifications', 'add', 'webhook', 'chat', '--format', 'slack', '--from-file', 'url'])).bodies).toEqual([{ type: 'webhook', format: 'slack', secret: 'https://hooks.example.org/x' }])
})

test('mail and commands', async () => {
  const mail = await run(['notifications', 'add', 'email', 'ops', '--to', 'a@example.org', '--to', 'b@example.org', '--from', 'p@example.org', '--smtp', 'mail.example.org', '--user', 'p'], { stdin: 'pa55\n' })
  expect(mail.bodies).toEqual([{ type: 'email', to: ['a@example.org', 'b@example.org'], from: 'p@example.org', host: 'mail.example.org', port: 587, plain: false, user: 'p', secret: 'pa55' }])
  expect((await run(['notifications', 'add', 'command', 'script', '--', './notify.sh', '--loud'])).bodies).toEqual([{ type: 'command', command: [join(folder, 'notify.sh'), '--loud'] }])
})

test.each([
  [['pigeon', 'x'], 'webhook, email and command'],
  [['webhook', 'Bad_Name'], 'cannot be the name'],
  [['webhook', 'chat'], 'it is empty'],
  [['webhook', 'chat', '--to', 'a@b'], '--to means nothing for a webhook'],
  [['webhook', 'chat', '--from-file', 'none'], 'cannot be read'],
  [['email', 'ops', '--to', 'a@b'], '--from and --smtp'],
  [['email', 'ops', '--to', 'a@b', '--from', 'c@d', '--smtp', 'a b'], 'a host and a port'],
  [['command', 'script'], 'There is no command'],
  [['webhook', 'chat', '--', 'x'], 'runs no command'],
])('notifications add %j is refused', async (argv, text) => {
  const { exit, stderr, bodies } = await run(['notifications', 'add', ...argv])
  expect({ exit, bodies }).toEqual({ exit: 2, bodies: [] })
  expect(stderr.replace(/\s+/g, ' ')).toContain(text)
})

test('the list shows what does not work, and history who did what', async () => {
  expect((await run(['notifications', 'list'])).stdout).toBe(['NAME  TYPE     TO                 TOPICS        LAST                           OPEN', 'chat  webhook  hooks.example.org  disk -p shop  failed just now: answered 500  2 waiting, 1 given up', 'pager cannot be read: It cannot be decrypted. `notifications add` makes it again, `notifications remove pager` removes it.', ''].join('\n'))
  expect((await run(['history', '--all'])).stdout).toBe(['WHEN      BY          WHAT        OF        OUTCOME              TOOK', 'just now  ada@laptop  up          shop/api  failed: It broke     4.2 s', 'just now  ci          secret.set  shop/api  set KEY of shop/api', ''].join('\n'))
  expect((await run(['history', '--all', '-n', '0'])).exit).toBe(2)
})
