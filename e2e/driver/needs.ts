import Docker from 'dockerode'
import type { TestContext } from 'vitest'

/** Skips the test, with its reason, on a machine without a Docker engine. */
export async function needsDocker(context: TestContext): Promise<void> {
  const answers = await new Docker().ping().then(
    () => true,
    () => false,
  )
  if (!answers) context.skip('there is no Docker engine on this machine')
}
