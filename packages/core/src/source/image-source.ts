import { createWriteStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { digestOf, type LocalSource } from './pack-source.ts'
import { canonicalTime, nodeReadable } from './tar-stream.ts'

/**
 * What an app that is a finished image has in place of a source: its name as the manifest writes it, and nothing else. So the
 * source of a deployment has a digest here too, and another name is another source.
 */
export async function imageSource(image: string): Promise<LocalSource> {
  const open = (): Readable => {
    const tar = pack()
    tar.entry({ name: 'image', mode: 0o644, mtime: canonicalTime }, `${image}\n`)
    tar.finalize()
    return nodeReadable(tar)
  }
  const digest = await digestOf(open())
  const openTarGz = (): Readable => open().pipe(createGzip())
  return {
    record: { digest },
    facts: { files: [], text: () => undefined },
    open: () => Promise.resolve(open()),
    digest,
    bytes: image.length + 1,
    notices: [],
    openTarGz,
    writeTarGz: (file) => pipeline(openTarGz(), createWriteStream(file, { mode: 0o600 })),
  }
}
