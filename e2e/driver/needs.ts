import Docker from 'dockerode'
import type { TestContext } from 'vitest'

export const hasDocker = (): Promise<boolean> => new Docker().ping().then(() => true, () => false)

/** Skips the test, with its reason, on a machine without a Docker engine. */
export async function needsDocker(context: TestContext): Promise<void> {
  if (!(await hasDocker())) context.skip('there is no Docker engine on this machine')
}
