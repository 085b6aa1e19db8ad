import { readJsonSync, replaceJson } from '../home/files.ts'

/**
 * Places in a kept log are counted in bytes since it began, whatever has been dropped since: a reader's place stays true.
 * The file itself holds those from `base` on; where files cannot have holes, `<log>.1` holds the `previous` ones.
 */
export interface LogFacts {
  /** The first place that is still kept; a line begins there. */
  readonly start: number
  readonly base: number
  readonly previous?: { readonly from: number; readonly size: number }
  /** What was dropped, oldest first; only the newest are remembered. */
  readonly dropped: readonly Dropped[]
  /** When the disk was full, so that lines may be missing. */
  readonly gaps: readonly Gap[]
}

export interface Dropped {
  readonly from: number
  readonly to: number
  readonly lines: number
  /** Milliseconds since 1970: when the last of them was written. */
  readonly at: number
}

export interface Gap {
  readonly place: number
  readonly from: number
  readonly to: number
}

/** Files beside a log. */
export const besideLog = (file: string): { readonly facts: string; readonly times: string; readonly previous: string } => ({ facts: `${file}.facts`, times: `${file}.times`, previous: `${file}.1` })

const noFacts: LogFacts = { start: 0, base: 0, dropped: [], gaps: [] }

/** A file that is damaged says nothing: lines are shown all the same, from where they are. */
export function readFacts(file: string): LogFacts {
  try {
    return readJsonSync<LogFacts>(besideLog(file).facts) ?? noFacts
  } catch (error) {
    if (error instanceof SyntaxError) return noFacts
    throw error
  }
}

const remembered = 100

export function writeFacts(file: string, facts: LogFacts): void {
  replaceJson(besideLog(file).facts, { ...facts, dropped: facts.dropped.slice(-remembered), gaps: facts.gaps.slice(-remembered) }, { durable: true })
}
