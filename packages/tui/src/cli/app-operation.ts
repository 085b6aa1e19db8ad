import type { OperationRequest } from '@pilot/server/contract'
import type { CommandContext } from './context.ts'
import { runOperation, type OperationResult } from './operation.ts'
import { announce, chooseApp, resolveProject, appTarget, type AppTarget } from './target.ts'
import { confirmProtected } from './protect.ts'
import { cleanLine } from './text/clean.ts'

type AppAction = Extract<OperationRequest, { app: unknown }>
/** Distributes over the actions: what each needs beyond the app. */
type Rest<T> = T extends unknown ? Omit<T, 'app' | 'platform' | 'requestId'> : never

/** An operation on one app: finds it, announces it, asks where the environment is protected, runs it and prints the URL. */
export async function runAppOperation(context: CommandContext, { app, request, yes, protect = false, partOfMore = false }: { app: string | undefined; request: Rest<AppAction>; yes: boolean; protect?: boolean; /** The command goes on after it, and prints the outcome itself. */ partOfMore?: boolean }): Promise<OperationResult & { target: AppTarget }> {
  const project = await resolveProject(context)
  const target = appTarget(project, await chooseApp(context, project, app))
  await announce(context, { ...target.params, platform: target.query.platform })
  if (protect) await confirmProtected(context, { project, yes, what: request.action })
  const result = await runOperation(context, { ...request, app: target.params, ...target.query } as OperationRequest, { partOfMore })
  return { ...result, target }
}

/** The end of a command that went on after its operation (`partOfMore`). */
export function endWell(context: CommandContext, url: string | undefined): void {
  context.output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: 'done', ...(url === undefined ? {} : { url }) })
  if (url !== undefined) context.output.result(cleanLine(url))
}

/** The URL alone on stdout, as every command prints it that ends with something released. */
export function printUrl(context: CommandContext, { outcome, url }: OperationResult): void {
  if (outcome === 'done' && url !== undefined) context.output.result(cleanLine(url))
}

/** The same for what was staged: of one app its address alone, of several each with its name. */
export function printStaged(context: CommandContext, { outcome, staged }: OperationResult): void {
  if (outcome !== 'done') return
  for (const [app, address] of staged) context.output.result(staged.size === 1 ? cleanLine(address) : cleanLine(`${app} ${address}`))
  context.say('`release` gives it the traffic.')
}
