import { stripVTControlCharacters } from 'node:util'
import CliTable from 'cli-table3'

const gap = '  '
/** A column is not made narrower than this, however long its words are, as long as others can give way. */
const leastWidth = 8
const stumpWidth = 5

export interface TableOptions {
  heading(text: string): string
  /** Of the terminal; default: endless. */
  readonly width?: number
  /** Columns whose words are copied (addresses, ids): they give way last, and are then broken anywhere, never cut off. */
  readonly whole?: readonly string[]
  /** Columns of mere explanation: they give way first, and stay on one line. */
  readonly cut?: readonly string[]
}

/**
 * Columns without borders, as wide as their widest cell; lines end where their text does. In a terminal that is too narrow,
 * cells wrap between words, and words that still do not fit are cut off with an ellipsis.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[], { heading, width = Infinity, whole = [], cut = [] }: TableOptions): string {
  const none = Object.fromEntries(['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'].map((name) => [name, '']))
  const all = [head.map(heading), ...rows.map((row) => [...row])]
  const natural = widthsOf(all, (cell) => cell)
  const room = width - gap.length * (head.length - 1)
  const layout = { chars: { ...none, middle: gap }, style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] } }
  const widths = sum(natural) > room ? fitted({ natural, floors: floorsOf(head, all, { natural, whole, cut }), room }) : undefined
  const drawn = new CliTable(widths === undefined ? layout : { ...layout, colWidths: widths, wordWrap: true })
  drawn.push(...(widths === undefined ? all : all.map((row) => row.map((cell, column) => shaped(cell, widths[column]!, { whole: whole.includes(head[column]!), cut: cut.includes(head[column]!) })))))
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** How far columns give way, round by round. */
function floorsOf(head: readonly string[], all: readonly (readonly string[])[], { natural, whole, cut }: { natural: readonly number[]; whole: readonly string[]; cut: readonly string[] }): number[][] {
  const words = widthsOf(all, longestWord)
  const atLeast = (few: number) => words.map((word) => Math.min(word, few))
  const except = (names: readonly string[], widths: readonly number[], others: readonly number[]) => others.map((width, at) => (names.includes(head[at]!) ? widths[at]! : width))
  return [
    except(cut, atLeast(leastWidth), natural),
    except(cut, atLeast(leastWidth), words),
    except(whole, words, atLeast(leastWidth)),
    except(whole, words, atLeast(stumpWidth)),
    atLeast(stumpWidth),
  ]
}

/** Takes from the widest column first. */
function fitted({ natural, floors, room }: { natural: readonly number[]; floors: readonly (readonly number[])[]; room: number }): number[] {
  const widths = [...natural]
  for (const floor of floors) {
    while (sum(widths) > room) {
      const widest = widths.reduce((best, width, at) => (width > floor[at]! && (best < 0 || width > widths[best]!) ? at : best), -1)
      if (widest < 0) break
      widths[widest]!--
    }
  }
  return widths
}

function shaped(cell: string, width: number, { whole, cut }: { whole: boolean; cut: boolean }): string {
  if (columnsOf(cell) <= width) return cell
  if (cut) return `${stripVTControlCharacters(cell).slice(0, width - 1).trimEnd()}…`
  return whole ? cell.replaceAll(new RegExp(`\\S{${width}}(?=\\S)`, 'g'), '$&\n') : cell
}

const widthsOf = (rows: readonly (readonly string[])[], part: (cell: string) => string): number[] =>
  (rows[0] ?? []).map((_, column) => Math.max(1, ...rows.map((row) => columnsOf(part(row[column] ?? '')))))

const longestWord = (cell: string): string => stripVTControlCharacters(cell).split(/\s+/).toSorted((a, b) => columnsOf(b) - columnsOf(a))[0] ?? ''

/** Columns in a terminal: letters of East Asia and pictures take two. */
function columnsOf(text: string): number {
  let columns = 0
  for (const { segment } of segmenter.segment(stripVTControlCharacters(text))) columns += /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u.test(segment) ? 2 : 1
  return columns
}

const segmenter = new Intl.Segmenter()
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
