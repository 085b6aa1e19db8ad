/** Said of every app that becomes `build: buildpack`. */
export const needsPack = 'It is built by the program `pack`, which has to be on the machine that builds (`doctor` says whether it is).'

/** The part of `build:` that names them; undefined when nothing is named. */
export function buildpacksOf(builder: string | undefined, buildpacks: readonly string[]): { readonly builder?: string; readonly buildpacks?: readonly string[] } | undefined {
  if (!builder && buildpacks.length === 0) return undefined
  return { ...(builder ? { builder } : {}), ...(buildpacks.length > 0 ? { buildpacks } : {}) }
}
