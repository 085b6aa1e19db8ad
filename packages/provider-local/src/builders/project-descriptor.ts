import { buildpackRule, PilotError } from '@pilot/core'
// The parser that much of the ecosystem uses, 0.1 MB without dependencies; project.toml is any TOML 1.0.
import { parse } from 'smol-toml'

/** What `project.toml` of a source says about its build, as far as we must know it before pack reads it. */
export interface ProjectDescriptor {
  readonly builder?: string
}

/**
 * Refuses what would make pack read files of this machine that are not of the source: the file may come from anybody. Throws
 * SOURCE_UNREADABLE.
 */
export function readDescriptor(text: string, title: string): ProjectDescriptor {
  const found = parsed(text, title)
  const stray = urisOf(found).find((uri) => !buildpackRule.test(uri))
  if (stray !== undefined) throw new PilotError('SOURCE_UNREADABLE', `project.toml of ${title} names a buildpack outside of its source: ${stray}`, { suggestion: 'Name a folder of the source (./buildpacks/mine), an id with a version, an image (docker://…) or an address (https://…).' })
  // Version 0.2 of its schema has it below io.buildpacks, 0.1 below build.
  const builder = at(found, ['io', 'buildpacks', 'builder']) ?? at(found, ['build', 'builder'])
  return typeof builder === 'string' && builder !== '' ? { builder } : {}
}

function parsed(text: string, title: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw new PilotError('SOURCE_UNREADABLE', `project.toml of ${title} cannot be read`, { reason: (error as Error).message.split('\n')[0]!, suggestion: 'Correct it; https://buildpacks.io/docs/reference/config/project-descriptor says what may stand there.' })
  }
}

function urisOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => (key.toLowerCase() === 'uri' && typeof inner === 'string' ? [inner] : urisOf(inner)))
}

const at = (value: unknown, path: readonly string[]): unknown => path.reduce((found, key) => (typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[key] : undefined), value)
