import { stripVTControlCharacters } from 'node:util'
import CliTable from 'cli-table3'

const gap = '  '
/** A column is not made narrower than this, however long its words are. */
const leastWidth = 8

/**
 * Columns without borders, as wide as their widest cell; lines end where their text does. In a terminal that is too narrow,
 * cells wrap between words, and words that still do not fit are cut off with an ellipsis.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[], { heading, width = Infinity }: { heading: (text: string) => string; /** Of the terminal. */ width?: number }): string {
  const none = Object.fromEntries(['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'].map((name) => [name, '']))
  const all = [head.map(heading), ...rows.map((row) => [...row])]
  const natural = widthsOf(all, (cell) => cell)
  const room = width - gap.length * (head.length - 1)
  const narrow = sum(natural) > room ? { colWidths: fitted({ natural, words: widthsOf(all, longestWord), room }), wordWrap: true } : {}
  const drawn = new CliTable({ chars: { ...none, middle: gap }, style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] }, ...narrow })
  drawn.push(...all)
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** Takes from the widest column first: down to its longest word, and only where that is not enough below it. */
function fitted({ natural, words, room }: { natural: readonly number[]; words: readonly number[]; room: number }): number[] {
  const widths = [...natural]
  for (const least of [words, words.map((width) => Math.min(width, leastWidth))]) {
    while (sum(widths) > room) {
      const widest = widths.reduce((best, width, at) => (width > least[at]! && (best < 0 || width > widths[best]!) ? at : best), -1)
      if (widest < 0) break
      widths[widest]!--
    }
  }
  return widths
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
