import { spawn } from 'node:child_process'
import { PilotError } from '@pilot/core/errors'
import { appArgument, defineCommand, flag } from '../command.ts'
import { reachableUrl } from '../reachable-url.ts'
import { resolveApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'

export const open = defineCommand({
  name: 'open',
  summary: 'Open an app in the browser',
  description: ['Prints the URL too; where there is no browser to open, that is all it does.'],
  arguments: [appArgument],
  options: [{ flags: '--print', summary: 'Only print the URL.' }],
  examples: [
    { run: 'open', summary: 'in the browser' },
    { run: 'open api --print', summary: 'the URL alone, for a script' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const { params, query } = await resolveApp(context, args[0])
    const client = await context.client()
    const { status } = await client.request('app', { params, query, signal: context.signal })
    const { url, fallbackUrl } = status
    if (url === undefined && (status.state === 'live' || status.state === 'unhealthy')) throw new PilotError('NOT_ALLOWED_NOW', `${params.app} has no address: it consists of processes that listen nowhere.`, { suggestion: '`logs -f` shows what they do.' })
    if (url === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${params.app} has no address: it is ${status.state}.`, { suggestion: status.state === 'stopped' ? '`start` starts it.' : '`up` deploys and releases it.' })
    await context.output.answer({ url, ...(fallbackUrl === undefined ? {} : { fallbackUrl }) }, async () => cleanLine(await reachableUrl({ url, fallbackUrl })))
    if (!flag(options, 'print') && !context.output.json && !(await openInBrowser(url))) context.say('No browser could be opened here.')
  },
})

/** Whether a program took the address. Only web addresses: the name comes from a server. */
async function openInBrowser(url: string): Promise<boolean> {
  if (!/^https?:\/\//.test(url)) return false
  const [program, ...args] = process.platform === 'darwin' ? ['open', url] : ['xdg-open', url]
  const child = spawn(program!, args, { stdio: 'ignore', detached: true })
  return await new Promise((resolve) => {
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 0))
    setTimeout(() => resolve(true), 3000).unref()
  }).then((opened) => {
    child.unref()
    return opened as boolean
  })
}
