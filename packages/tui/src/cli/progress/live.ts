import type { Terminal } from '../terminal.ts'
import { printable } from '../text/clean.ts'

/** Lines at the bottom of the terminal that are replaced in place; finished lines scroll by above them. */
export interface LiveRegion {
  /** Writes lines above the region for good. */
  print(lines: readonly string[]): void
  /** Replaces the region. */
  draw(lines: readonly string[]): void
  /** Takes the region away. */
  clear(): void
}

export function createLiveRegion(stream: Terminal['stderr'], style: { readonly color: boolean }): LiveRegion {
  let shown: readonly string[] = []
  const erase = () => (shown.length === 0 ? '' : `\r\u001b[${shown.length}A\u001b[0J`)
  // Without automatic wrapping the terminal cuts a long line itself, so that n lines are always n rows.
  const text = (lines: readonly string[]) => (lines.length === 0 ? '' : `\u001b[?7l${lines.map((line) => printable(line, style)).join('\n')}\n\u001b[?7h`)
  const plain = (lines: readonly string[]) => lines.map((line) => `${printable(line, style)}\n`).join('')
  return {
    print(lines) {
      if (lines.length > 0) stream.write(erase() + plain(lines) + text(shown))
    },
    draw(lines) {
      if (lines.length === shown.length && lines.every((line, index) => line === shown[index])) return
      const before = erase()
      shown = [...lines]
      stream.write(before + text(shown))
    },
    clear() {
      stream.write(erase())
      shown = []
    },
  }
}
