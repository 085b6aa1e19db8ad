import type { LifecycleContext } from './context.ts'
import { runPhase } from './phase.ts'
import type { PushInput } from './phases.ts'
import type { BuildRecord } from './records.ts'

/** Sends the artifact to the platform's registry. Where the platform has none, it stays where it was built. */
export function push(context: LifecycleContext, { app, build }: PushInput): Promise<BuildRecord> {
  const { registry } = context.provider
  if (!registry) return Promise.resolve(build)
  return runPhase(context, { app, phase: 'push' }, async () => {
    const artifact = await registry.push({ app, artifact: build.artifact, signal: context.signal, log: context.log })
    const there = artifact.location === build.artifact.location
    return { result: { ...build, artifact }, outcome: there ? 'unchanged' : 'done' }
  })
}
