import { isPilotError, type PilotError } from '../errors/pilot-error.ts'
import type { ErrorCode } from '../errors/catalogue.ts'
import type { AnyKind } from '../provider/kind.ts'
import type { ScopeName } from '../store/store.ts'
import type { LifecycleContext } from './context.ts'

/**
 * For a destroy: an engine of this machine that cannot be asked is no obstacle for a scope that has nothing recorded of its
 * kinds. The sweep can then only miss what it would have shown to a person, which a line of the log says.
 */
export function withoutUnusedEngines(context: LifecycleContext, scope: ScopeName): LifecycleContext {
  // Read at the first list, when the journal of a crash is in the state and nothing is deleted yet.
  let used: Promise<ReadonlySet<string>> | undefined
  const usedKinds = async () => new Set((await context.store.scope(scope).readState())?.resources.map(({ kind }) => kind))

  const forgiving = (kind: AnyKind): AnyKind => ({
    ...kind,
    async list(call) {
      used ??= usedKinds()
      const isUsed = (await used).has(kind.kind)
      try {
        return await kind.list(call)
      } catch (error) {
        if (isUsed || !isEngineMissing(error)) throw error
        context.log(`${kind.kind} was not looked for, and nothing of it is recorded: ${error.message}`)
        return []
      }
    },
  })
  return { ...context, provider: { ...context.provider, kinds: context.provider.kinds.map(forgiving) } }
}

const missing: ReadonlySet<ErrorCode> = new Set(['ENGINE_NOT_INSTALLED', 'ENGINE_STOPPED', 'ENGINE_DENIED', 'ENGINE_REMOTE'])

const isEngineMissing = (error: unknown): error is PilotError => isPilotError(error) && missing.has(error.code)
