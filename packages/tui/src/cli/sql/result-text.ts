import { clean } from '../text/clean.ts'
import { plural } from '../text/units.ts'

export interface SqlResult {
  readonly command: string | null
  readonly rowCount: number | null
  readonly fields: readonly { readonly name: string }[]
  readonly rows: readonly (readonly (string | null)[])[]
}

/** Rows as a table with their count; of what has none, what it did: `INSERT 2`. Nothing is left out, nothing reaches the terminal but text. */
export async function resultText({ command, rowCount, fields, rows }: SqlResult): Promise<string> {
  if (fields.length === 0) return [command ?? '', ...(rowCount === null || rowCount === undefined ? [] : [rowCount])].join(' ').trim()
  const { table } = await import('../text/table.ts')
  const cells = rows.map((row) => row.map((cell) => (cell === null ? '' : clean(String(cell)))))
  const head = fields.map(({ name }) => clean(name))
  const drawn = table(head, cells, { heading: (text) => text })
  return `${drawn}\n(${plural(rows.length, 'row')})`
}
