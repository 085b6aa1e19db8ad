import type { PilotEvent } from '@pilot/core'
import { canRedraw, styleOf, type Terminal } from '../terminal.ts'
import { printable } from '../text/clean.ts'
import { elapsed } from '../text/units.ts'
import { createLiveRegion } from './live.ts'
import { linesOf, liveLines } from './lines.ts'
import { advance, noProgress, type Progress } from './model.ts'

/** Shows an operation to people on stderr while it runs. */
export interface ProgressRenderer extends Disposable {
  readonly progress: Progress
  event(event: PilotEvent): void
  /** A line of our own between the events. */
  note(line: string): void
  /** The newest line of build output. */
  log(line: string): void
}

const frames = { unicode: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'], ascii: ['|', '/', '-', '\\'] }
const frameMs = 120
/** Without a terminal that redraws, a long step says now and then that it goes on: some CI systems end what is silent. */
const heartbeatMs = 30_000

export function createRenderer({ terminal, form, silent }: { terminal: Terminal; form: string; silent: boolean }): ProgressRenderer {
  const style = styleOf(terminal, 'stderr')
  const live = !silent && canRedraw(terminal)
  const region = live ? createLiveRegion(terminal.stderr, style) : undefined
  const glyphs = style.symbol.ok === '✓' ? frames.unicode : frames.ascii
  let progress = noProgress
  let tick = 0
  let logLine: string | undefined

  const nameWidth = () => Math.max(0, ...progress.apps.map((app) => app.length), ...progress.running.map(({ app }) => app.length))
  const print = (lines: readonly string[]) => {
    if (silent || lines.length === 0) return
    if (region !== undefined) region.print(lines)
    else terminal.stderr.write(lines.map((line) => `${printable(line, style)}\n`).join(''))
  }
  const draw = () => region?.draw(liveLines(progress, { style, nameWidth: nameWidth(), now: Date.now(), frame: glyphs[tick % glyphs.length]!, rows: Math.max(3, (terminal.stderr.rows ?? 24) - 2), ...(logLine === undefined ? {} : { logLine }) }))
  const beat = () => {
    for (const { app, phase, startedAt } of progress.running) print([style.dim(`${style.symbol.dot} ${app} ${phase} goes on, ${elapsed(Date.now() - startedAt)} so far`)])
  }
  /** What is live is the last line of each app: it waits for what the release still has to tidy up. */
  const released = new Map<string, PilotEvent>()
  const linesFor = (event: PilotEvent) => linesOf(event, { style, form, nameWidth: nameWidth(), live, action: progress.action, width: terminal.stderr.isTTY === true ? terminal.stderr.columns : undefined })
  const printReleased = (only?: string) => {
    for (const [app, event] of released) {
      if (only !== undefined && app !== only) continue
      released.delete(app)
      print(linesFor(event))
    }
  }
  // Runs only while there is work.
  let timer: NodeJS.Timeout | undefined
  const setTimer = () => {
    const wanted = !silent && progress.running.length > 0
    if (wanted && timer === undefined) timer = setInterval(live ? () => (tick++, draw()) : beat, live ? frameMs : heartbeatMs)
    if (!wanted && timer !== undefined) timer = void clearInterval(timer)
  }

  return {
    get progress() {
      return progress
    },
    event(event) {
      progress = advance(progress, event)
      if (event.type === 'phase.started' || event.type === 'phase.finished') logLine = undefined
      if (event.type === 'app.released') released.set(event.app, event)
      else print(linesFor(event))
      if (event.type === 'operation.finished') printReleased()
      else if (event.type === 'phase.finished' && event.phase === 'drain') printReleased(event.app)
      draw()
      setTimer()
    },
    note: (line) => print([line]),
    log(line) {
      // The last line of a build may come when the next phase has begun.
      if (isBuilding(progress)) logLine = line
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      printReleased()
      region?.clear()
    },
  }
}

const isBuilding = ({ running }: Progress): boolean => running.some(({ phase }) => phase === 'build' || phase === 'push')
