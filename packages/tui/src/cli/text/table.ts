import CliTable from 'cli-table3'

/** Columns without borders, as wide as their widest cell; lines end where their text does. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], { heading }: { heading: (text: string) => string }): string {
  const none = Object.fromEntries(['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'].map((name) => [name, '']))
  const drawn = new CliTable({ chars: { ...none, middle: '  ' }, style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] } })
  drawn.push(head.map(heading), ...rows.map((row) => [...row]))
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
