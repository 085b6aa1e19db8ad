import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { Transform, type Readable } from 'node:stream'
import { constants, createGzip } from 'node:zlib'
import { PilotError } from '../errors/pilot-error.ts'
import type { PackedSource } from '../lifecycle/app-definition.ts'
import { factsOf } from './facts.ts'
import { gitFacts } from './git.ts'
import { listSource, type ListOptions } from './list-source.ts'
import { tarOf } from './tar-stream.ts'

export interface LocalSource extends PackedSource {
  /** `sha256:…` of the uncompressed tar, as `record.digest`: the same for equal content on every machine. */
  readonly digest: string
  /** Of all files together. */
  readonly bytes: number
  /** What was left out that somebody may expect, in plain words. */
  readonly notices: readonly string[]
  /**
   * The tar that the digest is of, gzipped, for sending. A file that changed since the digest was made fails the stream
   * with SOURCE_UNREADABLE, after all was read.
   */
  openTarGz(): Readable
  /** Writes it to a file (0600). */
  writeTarGz(file: string): Promise<void>
}

/**
 * The source in a folder: which files go is told by {@link ListOptions}; reads every file once for the digest. Nothing is
 * written. Throws SOURCE_UNREADABLE.
 */
export async function packSource(options: ListOptions): Promise<LocalSource> {
  const [listing, git] = await Promise.all([listSource(options), gitFacts(options.dir)])
  const { dir, entries } = listing
  const digest = await digestOf(tarOf({ dir, entries, canonical: true }))
  const verified = (): Readable => verify({ dir, digest, tar: tarOf({ dir, entries, canonical: true }) })
  const openTarGz = (): Readable => {
    const gzip = createGzip({ level: constants.Z_BEST_SPEED })
    pipeline(verified(), gzip).catch((error: unknown) => gzip.destroy(error as Error))
    return gzip
  }
  return {
    record: { digest, ...git },
    facts: factsOf(listing),
    open: () => Promise.resolve(tarOf({ dir, entries, canonical: false })),
    digest,
    bytes: listing.bytes,
    notices: listing.notices,
    openTarGz,
    writeTarGz: (file) => pipeline(openTarGz(), createWriteStream(file, { mode: 0o600 })),
  }
}

export async function digestOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk)
  return `sha256:${hash.digest('hex')}`
}

/** The digest was made in an earlier reading: between the two somebody may have saved a file. */
function verify({ dir, digest, tar }: { dir: string; digest: string; tar: Readable }): Readable {
  const hash = createHash('sha256')
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
    flush(done) {
      if (`sha256:${hash.digest('hex')}` === digest) done()
      else done(new PilotError('SOURCE_UNREADABLE', `A file in ${dir} changed while the source was sent`, { suggestion: 'Run the command again.' }))
    },
  })
  pipeline(tar, check).catch((error: unknown) => check.destroy(error as Error))
  return check
}
