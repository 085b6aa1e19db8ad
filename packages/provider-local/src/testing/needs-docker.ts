import Docker from 'dockerode'
import { beforeAll, beforeEach } from 'vitest'

const hasEngine = await new Docker().ping().then(
  () => true,
  () => false,
)

/** Why tests that need the engine are skipped here; undefined where there is one. */
export const withoutDocker = hasEngine ? undefined : 'there is no Docker engine on this machine'

/** `beforeAll` of a file whose tests all need the engine: without one each is skipped, with the reason. */
export function beforeAllWithDocker(setUp: () => Promise<void>): void {
  beforeAll(async () => {
    if (hasEngine) await setUp()
  })
  beforeEach(({ skip }) => skip(!hasEngine, withoutDocker))
}
