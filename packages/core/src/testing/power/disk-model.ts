import path from 'node:path'

/**
 * What a program did to the files of one folder, operation by operation, as the kernel saw it: names and content apart, since a
 * power cut treats them apart. Folders and files are *nodes*; a name is an *entry* of a folder that leads to a node.
 */
export interface DiskNode {
  readonly id: number
  readonly isFolder: boolean
}

export interface Entry {
  readonly folder: DiskNode
  readonly name: string
  /** Undefined: the name goes. */
  readonly node: DiskNode | undefined
}

export type DiskOperation =
  /** Names that change in one step: one for a create or a delete, two for a rename. */
  | { readonly type: 'entries'; readonly entries: readonly Entry[] }
  | { readonly type: 'write'; readonly node: DiskNode; readonly offset: number; readonly bytes: Buffer }
  | { readonly type: 'truncate'; readonly node: DiskNode; readonly size: number }
  /** Of a file or a folder, done: what was done to it before operation `upTo` is on the disk for good. */
  | { readonly type: 'flush'; readonly node: DiskNode; readonly upTo: number }
  /** What the test notes at this moment, such as what it was promised. */
  | { readonly type: 'mark'; readonly mark: unknown }

export interface DiskModel {
  readonly root: DiskNode
  readonly operations: readonly DiskOperation[]
  /** Undefined for what lies elsewhere or does not exist. */
  find(file: string): DiskNode | undefined
  isInside(file: string): boolean
  makeFolders(file: string): void
  /** The file there, made if there is none. */
  openFile(file: string): DiskNode
  write(node: DiskNode, bytes: Uint8Array | string, offset?: number): void
  truncate(node: DiskNode, size: number): void
  link(from: string, to: string): void
  rename(from: string, to: string): void
  /** With all that is below it. Absent is success. */
  remove(file: string): void
  /** Begins now; what is called when it is done notes it. */
  flush(node: DiskNode): () => void
  mark(mark: unknown): void
}

/** `folder` stands for a folder that is empty, and safe on the disk. */
export function diskModel(folder: string): DiskModel {
  const operations: DiskOperation[] = []
  const children = new Map<DiskNode, Map<string, DiskNode>>()
  const sizes = new Map<DiskNode, number>()
  let nodes = 0
  const makeNode = (isFolder: boolean): DiskNode => {
    const node = { id: ++nodes, isFolder }
    if (isFolder) children.set(node, new Map())
    else sizes.set(node, 0)
    return node
  }
  const root = makeNode(true)

  const isInside = (file: string): boolean => path.resolve(file) === folder || path.resolve(file).startsWith(`${folder}${path.sep}`)
  const partsOf = (file: string): readonly string[] => path.relative(folder, path.resolve(file)).split(path.sep).filter((part) => part !== '')
  const find = (file: string): DiskNode | undefined => (isInside(file) ? partsOf(file).reduce<DiskNode | undefined>((node, part) => node && children.get(node)?.get(part), root) : undefined)

  function change(...entries: readonly Entry[]): void {
    for (const { folder: parent, name, node } of entries) {
      if (node === undefined) children.get(parent)!.delete(name)
      else children.get(parent)!.set(name, node)
    }
    operations.push({ type: 'entries', entries })
  }

  function parentOf(file: string): { readonly folder: DiskNode; readonly name: string } {
    const parent = find(path.dirname(path.resolve(file)))
    if (parent === undefined) throw new Error(`${file} is in a folder that was not seen being made`)
    return { folder: parent, name: path.basename(file) }
  }

  return {
    root,
    operations,
    find,
    isInside,
    makeFolders(file) {
      for (let at = folder, [part, ...rest] = partsOf(file); part !== undefined; [part, ...rest] = rest) {
        at = path.join(at, part)
        if (find(at) === undefined) change({ ...parentOf(at), node: makeNode(true) })
      }
    },
    openFile(file) {
      const known = find(file)
      if (known !== undefined) return known
      const node = makeNode(false)
      change({ ...parentOf(file), node })
      return node
    },
    write(node, content, at) {
      const bytes = Buffer.from(typeof content === 'string' ? Buffer.from(content) : content)
      const offset = at ?? sizes.get(node)!
      if (bytes.length === 0) return
      sizes.set(node, Math.max(sizes.get(node)!, offset + bytes.length))
      operations.push({ type: 'write', node, offset, bytes })
    },
    truncate(node, size) {
      if (sizes.get(node) === size) return
      sizes.set(node, size)
      operations.push({ type: 'truncate', node, size })
    },
    link: (from, to) => change({ ...parentOf(to), node: find(from) }),
    rename: (from, to) => change({ ...parentOf(to), node: find(from) }, { ...parentOf(from), node: undefined }),
    remove(file) {
      const node = find(file)
      if (node === undefined) return
      for (const name of children.get(node)?.keys() ?? []) this.remove(path.join(file, name))
      change({ ...parentOf(file), node: undefined })
    },
    flush(node) {
      const upTo = operations.length
      return () => void operations.push({ type: 'flush', node, upTo })
    },
    mark: (mark) => void operations.push({ type: 'mark', mark }),
  }
}
