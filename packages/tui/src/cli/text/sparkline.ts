const blocks = [...'▁▂▃▄▅▆▇█']

/**
 * Values over time as one line of `width` characters: the largest value of each stretch, from nothing to the largest of all. A stretch
 * without a value is a space.
 */
export function sparkline(values: readonly number[], { at, from, to, width = 30 }: { readonly at: readonly number[]; readonly from: number; readonly to: number; readonly width?: number }): string {
  const cells = new Array<number | undefined>(width).fill(undefined)
  for (const [index, value] of values.entries()) {
    const cell = Math.min(width - 1, Math.max(0, Math.floor((((at[index] ?? from) - from) / (to - from)) * width)))
    cells[cell] = Math.max(cells[cell] ?? 0, value)
  }
  const most = Math.max(0, ...values)
  return cells.map((value) => (value === undefined ? ' ' : (blocks[most === 0 ? 0 : Math.round((value / most) * (blocks.length - 1))] ?? ' '))).join('')
}
