import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { PilotError } from '../errors/pilot-error.ts'
import { decodeChecked, encodeChecked } from './checked-json.ts'
import { createExclusive, listNames, makeSure, readIfThere, removeFile } from './durable-file.ts'
import { checkRecordId, compareIds } from './scope-name.ts'
import { corrupt } from './state-format.ts'
import type { RecordType } from './store.ts'

/** Immutable records as `<type>/<id>.json`. */
export interface RecordFiles {
  put(type: RecordType, id: string, record: object): Promise<void>
  delete(type: RecordType, id: string): Promise<void>
  get<T>(type: RecordType, id: string): Promise<T | undefined>
  findLast<T>(type: RecordType, isIt: (record: T) => boolean): Promise<T | undefined>
  list<T>(type: RecordType): Promise<readonly { readonly id: string; readonly record: T }[]>
}

export function recordFiles({ folder }: { folder: string }): RecordFiles {
  const path = (type: RecordType, id: string) => join(folder, type, `${checkRecordId(id)}.json`)

  const idsOf = (type: RecordType): readonly string[] =>
    listNames(join(folder, type)).filter((name) => name.endsWith('.json') && !name.startsWith('.')).map((name) => name.slice(0, -'.json'.length)).sort(compareIds)

  const get = async <T>(type: RecordType, id: string): Promise<T | undefined> => {
    const file = path(type, id)
    const text = await readIfThere(file)
    return text === undefined ? undefined : parse<T>(text, file)
  }

  return {
    get,
    async put(type, id, record) {
      const text = JSON.stringify(record)
      if (await createExclusive(path(type, id), encodeChecked(text))) return
      if (isDeepStrictEqual(await get(type, id), JSON.parse(text))) return makeSure(path(type, id))
      throw new PilotError('NAME_TAKEN', `The ${type} ${id} exists already with other content`, { suggestion: 'Records are never changed: write a new one under another id.', details: { type, id } })
    },
    delete: async (type, id) => removeFile(path(type, id)),
    async findLast<T>(type: RecordType, isIt: (record: T) => boolean) {
      for (const id of idsOf(type).toReversed()) {
        const record = await get<T>(type, id)
        if (record !== undefined && isIt(record)) return record
      }
      return undefined
    },
    async list<T>(type: RecordType) {
      const found: { id: string; record: T }[] = []
      for (const id of idsOf(type)) {
        const record = await get<T>(type, id)
        if (record !== undefined) found.push({ id, record })
      }
      return found
    },
  }
}

function parse<T>(text: string, file: string): T {
  try {
    return JSON.parse(decodeChecked(text)) as T
  } catch (error) {
    throw corrupt(file, (error as Error).message, 'Restore the file from a backup of the home, or move it away: what it recorded is then forgotten.')
  }
}
