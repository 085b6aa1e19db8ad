import { stripVTControlCharacters } from 'node:util'

/** Lines of at most `width` letters, broken between words; a longer word stays whole, and so does a line that fits. */
export function wrap(text: string, width: number): string[] {
  if (text.length <= width) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** A line with colours, broken between words where it is too long; what follows stands `indent` columns in. */
export function wrapStyled(line: string, { width, indent }: { width: number; indent: number }): string[] {
  if (lengthOf(line) <= width) return [line]
  const rows: string[] = []
  let row = ''
  for (const word of line.split(' ')) {
    const room = rows.length === 0 ? width : width - indent
    if (row.trim() !== '' && lengthOf(row) + 1 + lengthOf(word) > room) {
      rows.push(row.trimEnd())
      row = word
    } else row = row === '' ? word : `${row} ${word}`
  }
  return [...rows, row].map((text, index) => (index === 0 ? text : ' '.repeat(indent) + text))
}

const lengthOf = (text: string): number => stripVTControlCharacters(text).length
