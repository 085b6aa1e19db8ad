import type { LifecycleContext } from './context.ts'
import { buildIn } from './build.ts'
import { deployIn, refuseMissingSecrets } from './deploy.ts'
import { urlsOf } from './live.ts'
import type { UpInput, UpResult } from './phases.ts'
import { push } from './push.ts'
import { withApp } from './session.ts'
import { keepLive, makeLive } from './stage.ts'

/** From source to a live URL: build, push, deploy, release. A phase that has nothing to do says so. */
export const up = (context: LifecycleContext, { app, source, release: wantsRelease = true, force = false }: UpInput): Promise<UpResult> =>
  withApp(context, { app: app.app, action: 'up' }, async (session) => {
    await refuseMissingSecrets(context, app)
    const built = await buildIn(session, { app, source })
    const pushed = await push(context, { app: app.app, build: built })
    const { deployment, desired, live } = await deployIn(session, { app, build: pushed, force })
    const result = { build: pushed, deployment }
    if (!wantsRelease) return { ...result, changed: !live }

    if (live) {
      const release = await keepLive(session, { deployment, desired })
      return { ...result, changed: false, ...(release ? { release } : {}), ...urlsOf(await session.state(), deployment) }
    }
    const release = await makeLive(session, { deployment, kind: 'release', staged: desired })
    return { ...result, changed: true, release, ...urlsOf(await session.state(), deployment) }
  })
