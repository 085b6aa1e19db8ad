import type { Project } from './load-project.ts'
import { mergedApp, placeOf } from './resolve-apps.ts'
import type { Position } from './yaml-document.ts'

/** Keys that the manifest keeps and no platform of this version applies; `source.git` and `scale.max` are parts of keys. */
export const keysNotAppliedYet = ['source.git', 'scale.max'] as const
export type UnappliedKey = (typeof keysNotAppliedYet)[number]

export interface Unapplied extends Position {
  readonly app: string
  readonly key: UnappliedKey
}

/** What the manifest says and the platform does not do, so that `up` can name it: never silently. */
export function unappliedKeys({ project, environment, only, keys = keysNotAppliedYet }: { project: Project; environment: string; only?: readonly string[]; keys?: readonly UnappliedKey[] }): Unapplied[] {
  return project.apps
    .filter(({ name }) => !only || only.includes(name))
    .flatMap(({ name }) => {
      const app = mergedApp({ manifest: project.manifest, name, environment })
      return keys
        .filter((key) => {
          if (key === 'source.git') return typeof app.source === 'object'
          if (key === 'scale.max') return typeof app.scale === 'object' && app.function === undefined && app.scale.max !== undefined && app.scale.max > (app.scale.min ?? 1)
          return app[key] !== undefined
        })
        .map((key) => ({ app: name, key, ...project.locate(placeOf({ manifest: project.manifest, name, environment, key: key.split('.') }), 'key') }))
    })
}
