import { readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { SourceFacts } from '../provider/builder.ts'
import { listSource, type ListOptions, type SourceListing } from './list-source.ts'

/** The most that the text of one file may have to be looked at. */
export const maxTextBytes = 256 * 1024

/** What detection and builders look at in a folder, without packing it. Throws what {@link listSource} throws. */
export async function readSourceFacts(options: ListOptions): Promise<SourceFacts> {
  return factsOf(await listSource(options))
}

/** Texts are read when they are asked for. */
export function factsOf({ dir, entries }: SourceListing): SourceFacts {
  const files = entries.filter(({ type }) => type !== 'directory')
  const readable = new Map(files.filter(({ type, size }) => type === 'symlink' || size <= maxTextBytes).map((entry) => [entry.path, entry]))
  return {
    files: files.map(({ path }) => path),
    text(path) {
      if (!readable.has(path)) return undefined
      try {
        // A link may lead to what is large, or to a fifo, which would be waited for.
        const found = statSync(join(dir, path))
        return found.isFile() && found.size <= maxTextBytes ? asText(readFileSync(join(dir, path))) : undefined
      } catch {
        return undefined
      }
    },
  }
}

/** Undefined for what is binary or too large. */
export function asText(content: Buffer): string | undefined {
  return content.length > maxTextBytes || content.includes(0) ? undefined : content.toString('utf8')
}

const telling = new Set([
  'package.json', 'package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', '.nvmrc', '.node-version',
  'requirements.txt', 'pyproject.toml', 'Pipfile', 'setup.py', 'uv.lock', 'poetry.lock', '.python-version', 'runtime.txt', 'manage.py', 'app.py', 'main.py', 'wsgi.py', 'asgi.py', 'server.py',
  'go.mod', 'Procfile', 'index.html', '.dockerignore', '.npmrc', 'Gemfile', 'composer.json', 'Cargo.toml',
])

/** Whether a file's text is kept when a source is read from an archive: manifests of package managers, Dockerfiles, entry points. */
export function isTelling(path: string): boolean {
  const name = posix.basename(path)
  return telling.has(name) || /dockerfile|containerfile/i.test(name) || name.endsWith('.prisma')
}
