import { parseProcfile, type ArtifactReference, type SourceFacts } from '@pilot/core'

/** Where an image made by buildpacks says what it can start, and what starts it. https://github.com/buildpacks/spec/blob/main/platform.md */
export const metadataLabel = 'io.buildpacks.build.metadata'
/** `--`: the words that follow are run as they are, without a shell. */
const launcher = ['/cnb/lifecycle/launcher', '--'] as const

export interface PackProcesses extends Pick<ArtifactReference, 'launcher' | 'command' | 'processes' | 'release'> {
  /** Processes that the buildpacks offer, and that nothing starts. */
  readonly offered: readonly string[]
}

/**
 * What runs of an image: its default process, and beside it what the source's own Procfile names. Buildpacks declare more processes than
 * that, many of them the same under another name (`task`, `executable-jar`): these run where the manifest says so.
 */
export function processesOf({ label, entrypoint, facts }: { label: string | undefined; entrypoint: readonly string[]; facts: SourceFacts }): PackProcesses {
  const types = typesIn(label)
  const procfile = facts.files.includes('Procfile') ? parseProcfile(facts.text('Procfile') ?? '') : { processes: {} }
  const { web, ...beside } = procfile.processes
  const [first = ''] = entrypoint
  const standard = first.startsWith(processFolder) ? first.slice(processFolder.length) : undefined
  // A Procfile with processes and without `web:` says that nothing of the app listens.
  const listens = standard !== undefined && (standard === 'web' || web !== undefined || Object.keys(beside).length === 0)
  const started = types.flatMap((type) => {
    const name = processName(type)
    return Object.hasOwn(beside, name) && !(listens && type === standard) ? [[name, [`${processFolder}${type}`]] as const] : []
  })
  const release = procfile.release !== undefined && types.includes('release') ? [`${processFolder}release`] : undefined
  const names = started.map(([name]) => name)
  return {
    launcher,
    ...(listens ? { command: [first] } : {}),
    ...(started.length > 0 ? { processes: Object.fromEntries(started) } : {}),
    ...(release === undefined ? {} : { release }),
    offered: types.filter((type) => type !== standard && !names.includes(processName(type)) && (type !== 'release' || release === undefined)),
  }
}

const processFolder = '/cnb/process/'
/** As `parseProcfile` makes names of resources of them. */
const processName = (type: string): string => type.toLowerCase().replaceAll(/[_.]/g, '-').replaceAll(/^-+|-+$/g, '').slice(0, 40)

function typesIn(label: string | undefined): readonly string[] {
  try {
    const { processes } = JSON.parse(label ?? '{}') as { readonly processes?: readonly { readonly type?: unknown }[] }
    return (processes ?? []).map(({ type }) => type).filter((type): type is string => typeof type === 'string' && /^[\w.-]+$/.test(type))
  } catch {
    return []
  }
}
