import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface Folder extends AsyncDisposable {
  readonly path: string
}

/** A temporary folder with these files. */
export async function folderOf(files: Readonly<Record<string, string>>): Promise<Folder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'pilot-folder-')))
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true })
    await writeFile(join(path, name), content)
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export const shopManifest = `project: shop
environments:
  production: { platform: local }
  preview: { platform: lab, protected: true }
apps:
  api: { source: ./api }
  web: { source: ./web, uses: [api] }
`
