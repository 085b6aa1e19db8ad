import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { DiskNode, DiskOperation } from './disk-model.ts'

/**
 * Every disk that a power cut may leave, by what POSIX promises and no more: only what was flushed is there for sure, content by a
 * flush of the file, names by a flush of the folder. Of the rest each part may be there or not, whatever came before or after it;
 * a write may be torn at any byte, or have left its length without its content.
 */
export interface DiskAfterCut {
  /** The cut came after so many operations. */
  readonly at: number
  /** Path → content, undefined for a folder. */
  readonly tree: ReadonlyMap<string, Buffer | undefined>
  /** For messages. */
  readonly how: string
}

export interface CutOptions {
  /** Tears every write at so many bytes; default all. */
  readonly tears?: number
  /** Only cuts after so many operations; default after each. */
  readonly cuts?: readonly number[]
}

export function* disksAfterCut(operations: readonly DiskOperation[], { tears = Infinity, cuts = everyCut(operations) }: CutOptions = {}): Generator<DiskAfterCut> {
  for (const at of cuts) {
    const seen = new Set<string>()
    for (const each of disksAt(operations.slice(0, at), tears)) {
      const identity = [...each.tree].map(([name, content]) => `${name}\0${content?.toString('latin1') ?? '/'}`).join('\0\0')
      if (seen.has(identity)) continue
      seen.add(identity)
      yield { ...each, at }
    }
  }
}

/** Right after a note there is nothing new to lose: it counts from the next operation on. */
const everyCut = (operations: readonly DiskOperation[]): readonly number[] => [...Array(operations.length + 1).keys()].filter((at) => at === 0 || at === operations.length || operations[at - 1]!.type !== 'mark')

/** Makes it real. */
export function writeDisk(folder: string, { tree }: DiskAfterCut): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, content] of [...tree].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (content === undefined) mkdirSync(path.join(folder, name), { recursive: true, mode: 0o700 })
    else writeFileSync(path.join(folder, name), content, { mode: 0o600 })
  }
}

/** The notes made before the cut, oldest first. */
export const marksBefore = <T>(operations: readonly DiskOperation[], at: number): readonly T[] => operations.slice(0, at).flatMap((each) => (each.type === 'mark' ? [each.mark as T] : []))

type EntriesOperation = Extract<DiskOperation, { type: 'entries' }>
type ContentOperation = Extract<DiskOperation, { type: 'write' | 'truncate' }>

function* disksAt(done: readonly DiskOperation[], tears: number): Generator<Omit<DiskAfterCut, 'at'>> {
  const flushed = new Map<DiskNode, number>()
  for (const each of done) if (each.type === 'flush') flushed.set(each.node, Math.max(each.upTo, flushed.get(each.node) ?? 0))
  const isSafe = (node: DiskNode, index: number): boolean => index < (flushed.get(node) ?? 0)

  const names: { readonly operation: EntriesOperation; readonly safe: boolean }[] = []
  const contents = new Map<DiskNode, { readonly operation: ContentOperation; readonly safe: boolean }[]>()
  done.forEach((operation, index) => {
    // A rename is one step: where one of its two folders has it, both have.
    if (operation.type === 'entries') names.push({ operation, safe: operation.entries.some(({ folder }) => isSafe(folder, index)) })
    if (operation.type === 'write' || operation.type === 'truncate') contents.set(operation.node, [...(contents.get(operation.node) ?? []), { operation, safe: isSafe(operation.node, index) }])
  })

  const loose = names.filter(({ safe }) => !safe).map(({ operation }) => operation)
  for (const kept of subsets(loose)) {
    const chosen = new Set(kept)
    const folders = new Map<DiskNode, Map<string, DiskNode>>()
    for (const { operation, safe } of names) {
      if (!safe && !chosen.has(operation)) continue
      for (const { folder, name, node } of operation.entries) {
        const entries = folders.get(folder) ?? new Map<string, DiskNode>()
        if (node === undefined) entries.delete(name)
        else entries.set(name, node)
        folders.set(folder, entries)
      }
    }
    const root = names[0]?.operation.entries[0]!.folder
    const found = root === undefined ? [] : [...reachable(root, folders, '')]
    const lost = loose.length - kept.length
    const unsafe = found.filter(([, node]) => contents.get(node)?.some(({ safe }) => !safe))
    const plain = found.map(([name, node]): [string, Buffer | undefined] => [name, node.isFolder ? undefined : assemble(contents.get(node) ?? [])])
    yield { tree: new Map(plain), how: lost === 0 ? 'nothing lost' : `${lost} of ${loose.length} changes of names lost` }
    for (const [name, node] of unsafe) {
      for (const { content, how } of versionsOf(contents.get(node)!, tears)) yield { tree: new Map([...plain, [name, content]]), how: `${path.basename(name)}: ${how}; ${lost} of ${loose.length} changes of names lost` }
    }
  }
}

/** All of them while they are few; else every beginning, each without one, and each alone. */
function subsets<T>(all: readonly T[]): readonly (readonly T[])[] {
  if (all.length <= 6) return Array.from({ length: 2 ** all.length }, (_, bits) => all.filter((__, index) => ((bits >> index) & 1) === 1))
  return [...all.map((_, end) => all.slice(0, end)), all, ...all.map((one) => all.filter((each) => each !== one)), ...all.map((one) => [one])]
}

function* reachable(folder: DiskNode, folders: ReadonlyMap<DiskNode, ReadonlyMap<string, DiskNode>>, prefix: string): Generator<[string, DiskNode]> {
  for (const [name, node] of folders.get(folder) ?? []) {
    const full = path.join(prefix, name)
    yield [full, node]
    if (node.isFolder) yield* reachable(node, folders, full)
  }
}

interface Part {
  readonly operation: ContentOperation
  readonly safe: boolean
}

function assemble(parts: readonly Part[]): Buffer {
  return parts.reduce((before: Buffer, { operation }) => apply(before, operation), Buffer.alloc(0))
}

function apply(before: Buffer, operation: ContentOperation): Buffer {
  if (operation.type === 'truncate') return Buffer.concat([before, Buffer.alloc(Math.max(0, operation.size - before.length))]).subarray(0, operation.size)
  const { offset, bytes } = operation
  const size = Math.max(before.length, offset + bytes.length)
  const after = Buffer.concat([before, Buffer.alloc(size - before.length)])
  bytes.copy(after, offset)
  return after
}

const sectorBytes = 512

function* versionsOf(parts: readonly Part[], tears: number): Generator<{ readonly content: Buffer; readonly how: string }> {
  const loose = parts.filter(({ safe }) => !safe)
  for (const kept of subsets(loose)) {
    if (kept.length < loose.length) yield { content: assemble(parts.filter((part) => part.safe || kept.includes(part))), how: `${loose.length - kept.length} of ${loose.length} writes lost` }
  }
  for (const torn of loose) {
    if (torn.operation.type !== 'write') continue
    const { bytes } = torn.operation
    const as = (changed: Buffer): Buffer => assemble(parts.map((part) => (part === torn ? { safe: false, operation: { ...torn.operation, bytes: changed } as ContentOperation } : part)))
    const step = Math.max(1, Math.ceil(bytes.length / tears))
    for (let length = 1; length < bytes.length; length += step) {
      yield { content: as(bytes.subarray(0, length)), how: `a write torn at byte ${length} of ${bytes.length}` }
      yield { content: as(Buffer.concat([bytes.subarray(0, length), Buffer.alloc(bytes.length - length)])), how: `zeros from byte ${length} of ${bytes.length}` }
    }
    yield { content: as(Buffer.alloc(bytes.length)), how: 'its length without its content' }
    for (let sector = 0; sector < bytes.length; sector += sectorBytes) {
      const holed = Buffer.from(bytes)
      holed.fill(0, sector, Math.min(bytes.length, sector + sectorBytes))
      yield { content: as(holed), how: `zeros in sector ${sector / sectorBytes} of ${bytes.length} bytes` }
    }
  }
}
