import type nodeFs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
import { diskModel, type DiskModel, type DiskNode, type DiskOperation } from './disk-model.ts'

/**
 * Listens to the file functions of Node in this process, and writes down what they do below one folder. Install it before the
 * modules under test are loaded, since some keep the function that they found:
 *
 * ```ts
 * const disk = await vi.hoisted(async () => (await import('../testing/power/recorded-disk.ts')).installRecordedDisk())
 * ```
 */
export interface RecordedDisk {
  /** From now on; `folder` is empty. What was recorded before is forgotten. */
  record(folder: string): void
  /** Ends the recording. */
  stop(): readonly DiskOperation[]
  /** What the test notes between two operations. */
  mark(mark: unknown): void
  /**
   * The process dies in this flush, counted from 1 from now on: it never ends. Whatever waits for it waits for ever, while the
   * test goes on as the next process. Of those that wait for their promise only.
   */
  dieInFlush(number: number): Promise<void>
}

type Fs = Record<string, (...args: any[]) => any>

let installed: RecordedDisk | undefined

export function installRecordedDisk(): RecordedDisk {
  return (installed ??= install())
}

function install(): RecordedDisk {
  const fs = process.getBuiltinModule('node:fs') as typeof nodeFs & Fs
  const promises = fs.promises as unknown as Fs
  const real = { ...fs } as unknown as Fs
  const realPromises = { ...promises }
  let model: DiskModel | undefined
  let death: { left: number; readonly happened: () => void } | undefined
  const files = new Map<number, DiskNode>()

  const noted = <T>(result: T, note: (model: DiskModel, result: T) => void): T => {
    if (model !== undefined) note(model, result)
    return result
  }
  const flags = (value: unknown) => {
    const text = value === undefined ? 'r' : value
    if (typeof text === 'number') return { makes: (text & fs.constants.O_CREAT) !== 0, empties: (text & fs.constants.O_TRUNC) !== 0 }
    return { makes: /[wa]/.test(String(text)), empties: String(text).startsWith('w') }
  }
  function opened(file: unknown, how: unknown): DiskNode | undefined {
    if (model === undefined || typeof file !== 'string' || !model.isInside(file)) return undefined
    const { makes, empties } = flags(how)
    const node = makes ? model.openFile(file) : model.find(file)
    if (node !== undefined && empties) model.truncate(node, 0)
    return node
  }
  function flushing(fd: number): () => void {
    const node = files.get(fd)
    return node === undefined || model === undefined ? () => {} : model.flush(node)
  }
  function dies(fd: number): boolean {
    if (death === undefined || !files.has(fd) || --death.left > 0) return false
    const { happened } = death
    death = undefined
    happened()
    return true
  }
  function wroteFile(target: unknown, data: any, options: any, how: string): void {
    const asked = typeof options === 'string' ? {} : (options ?? {})
    const node = typeof target === 'number' ? files.get(target) : opened(target, asked.flag ?? how)
    if (node === undefined || model === undefined) return
    const before = model.operations.length
    model.write(node, data)
    if (asked.flush === true && model.operations.length >= before) model.flush(node)()
  }

  const sync: Fs = {
    openSync: (file, how, mode) => {
      const fd = real['openSync']!(file, how, mode)
      const node = opened(file, how)
      if (node !== undefined) files.set(fd, node)
      return fd
    },
    closeSync: (fd) => (files.delete(fd), real['closeSync']!(fd)),
    writeSync: (fd, data, ...rest) => noted(real['writeSync']!(fd, data, ...rest), (known) => files.has(fd) && known.write(files.get(fd)!, data, typeof rest[0] === 'number' && typeof data === 'string' ? rest[0] : undefined)),
    writeFileSync: (target, data, options) => noted(real['writeFileSync']!(target, data, options), () => wroteFile(target, data, options, 'w')),
    appendFileSync: (target, data, options) => noted(real['appendFileSync']!(target, data, options), () => wroteFile(target, data, options, 'a')),
    ftruncateSync: (fd, size = 0) => noted(real['ftruncateSync']!(fd, size), (known) => files.has(fd) && known.truncate(files.get(fd)!, size)),
    linkSync: (from, to) => noted(real['linkSync']!(from, to), (known) => known.isInside(to) && known.link(from, to)),
    renameSync: (from, to) => noted(real['renameSync']!(from, to), (known) => known.isInside(to) && known.rename(from, to)),
    unlinkSync: (file) => noted(real['unlinkSync']!(file), (known) => known.isInside(file) && known.remove(file)),
    rmSync: (file, options) => noted(real['rmSync']!(file, options), (known) => known.isInside(file) && known.remove(file)),
    mkdirSync: (file, options) => noted(real['mkdirSync']!(file, options), (known) => known.isInside(file) && known.makeFolders(file)),
  }
  for (const name of ['fsyncSync', 'fdatasyncSync']) {
    sync[name] = (fd) => {
      const done = flushing(fd)
      real[name]!(fd)
      done()
    }
  }

  // Streams call these too.
  const withCallback: Fs = {
    open: (file, ...rest) => {
      const done = rest.pop()
      real['open']!(file, ...rest, (error: unknown, fd: number) => {
        const node = error == null ? opened(file, rest[0]) : undefined
        if (node !== undefined) files.set(fd, node)
        done(error, fd)
      })
    },
    close: (fd, done) => (files.delete(fd), real['close']!(fd, done)),
    write: (fd, data, ...rest) => {
      const [offset = 0, length = data.byteLength - offset] = rest.filter((each) => typeof each === 'number')
      if (files.has(fd)) model?.write(files.get(fd)!, data.subarray(offset, offset + length))
      real['write']!(fd, data, ...rest)
    },
    writev: (fd, buffers, ...rest) => {
      if (files.has(fd)) for (const each of buffers) model?.write(files.get(fd)!, each)
      real['writev']!(fd, buffers, ...rest)
    },
  }
  for (const name of ['fsync', 'fdatasync']) {
    withCallback[name] = (fd, callback) => {
      if (dies(fd)) return
      const done = flushing(fd)
      real[name]!(fd, (error: unknown) => {
        if (error == null) done()
        callback(error)
      })
    }
  }

  const asPromises: Fs = {
    async open(file, how, mode) {
      const handle = await realPromises['open']!(file, how, mode)
      const node = opened(file, how)
      if (node === undefined) return handle
      files.set(handle.fd, node)
      const { fd } = handle
      for (const name of ['sync', 'datasync']) {
        const flush = handle[name].bind(handle)
        handle[name] = async () => {
          if (dies(fd)) return new Promise(() => {})
          const done = flushing(fd)
          await flush()
          done()
        }
      }
      for (const name of ['writeFile', 'appendFile']) {
        const write = handle[name].bind(handle)
        handle[name] = async (data: any, options: any) => noted(await write(data, options), (known) => known.write(node, data))
      }
      const close = handle.close.bind(handle)
      handle.close = () => (files.delete(fd), close())
      return handle
    },
    writeFile: async (target, data, options) => noted(await realPromises['writeFile']!(target, data, options), () => wroteFile(target, data, options, 'w')),
    appendFile: async (target, data, options) => noted(await realPromises['appendFile']!(target, data, options), () => wroteFile(target, data, options, 'a')),
    link: async (from, to) => noted(await realPromises['link']!(from, to), (known) => known.isInside(to) && known.link(from, to)),
    rename: async (from, to) => noted(await realPromises['rename']!(from, to), (known) => known.isInside(to) && known.rename(from, to)),
    unlink: async (file) => noted(await realPromises['unlink']!(file), (known) => known.isInside(file) && known.remove(file)),
    rm: async (file, options) => noted(await realPromises['rm']!(file, options), (known) => known.isInside(file) && known.remove(file)),
    mkdir: async (file, options) => noted(await realPromises['mkdir']!(file, options), (known) => known.isInside(file) && known.makeFolders(file)),
  }

  // Some of these are made of others of these.
  let depth = 0
  const outermost = ([name, call]: [string, Fs[string]]): [string, Fs[string]] => [
    name,
    (...args) => {
      if (depth > 0) return real[name]!(...args)
      depth++
      try {
        return call(...args)
      } finally {
        depth--
      }
    },
  ]
  Object.assign(fs, Object.fromEntries(Object.entries(sync).map(outermost)), withCallback)
  Object.assign(promises, asPromises)
  syncBuiltinESMExports()

  return {
    record(folder) {
      files.clear()
      model = diskModel(path.resolve(folder))
    },
    stop() {
      const operations = model?.operations ?? []
      model = undefined
      death = undefined
      files.clear()
      return operations
    },
    mark: (mark) => model?.mark(mark),
    dieInFlush: (number) => new Promise((happened) => void (death = { left: number, happened })),
  }
}
