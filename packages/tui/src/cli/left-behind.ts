import type { CommandContext } from './context.ts'
import { cleanLine } from './text/clean.ts'

/** Apps that the manifest had once run on, and answer on their routes of a shared host: whoever took them out learns it, and how they go. */
export async function sayLeftBehind(context: CommandContext, { known, ...query }: { readonly known: readonly string[]; readonly project: string; readonly environment: string; readonly platform: string }): Promise<void> {
  const found = await (await context.client()).request('status', { query, signal: context.signal }).catch(() => undefined)
  const { err } = context.output
  const where = query.environment === 'production' ? '' : ` -e ${query.environment}`
  for (const { status } of found?.apps ?? []) {
    if (known.includes(status.app.app) || !['live', 'unhealthy'].includes(status.state)) continue
    const [name, url] = [status.app.app, status.fallbackUrl ?? status.url].map((text) => text && cleanLine(text))
    context.say(`${err.warn(err.symbol.warn)} ${name} runs on${url === undefined ? '' : ` at ${url}`}, though pilot.yaml has it no more: \`destroy ${name}${where}\` removes it.`)
  }
}
