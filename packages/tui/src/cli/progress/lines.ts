import type { PilotEvent } from '@pilot/core'
import { withInvocation } from '../invocation.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'
import { duration, elapsed } from '../text/units.ts'
import { wrapStyled } from '../text/wrap.ts'
import { nextPhases, waitingApps, type Progress, type RunningPhase } from './model.ts'

export interface LineOptions {
  readonly style: Style
  /** How this user starts Pilot. */
  readonly form: string
  /** Width of the column of app names. */
  readonly nameWidth: number
  /** Of the operation: only where resources are the work itself do they get lines. */
  readonly action: string
  /** The live region shows what runs; without one, each beginning gets a line of its own. */
  readonly live: boolean
  /** Of the terminal: longer lines go on below their last column. */
  readonly width?: number | undefined
}

const phaseWidth = 'release'.length

/** The lines that an event leaves behind for good. */
export function linesOf(event: PilotEvent, options: LineOptions): readonly string[] {
  const { width = Infinity, nameWidth } = options
  const indent = event.type.startsWith('phase.') ? '✓ '.length + nameWidth + phaseWidth + 4 : '✓ '.length
  return linesBeforeWrapping(event, options).flatMap((line) => wrapStyled(line, { width, indent: indent < width / 2 ? indent : 2 }))
}

function linesBeforeWrapping(event: PilotEvent, { style, form, nameWidth, live, action }: LineOptions): readonly string[] {
  const { symbol } = style
  const head = (app: string, phase: string) => `${style.strong(cleanLine(app).padEnd(nameWidth))}  ${phase.padEnd(phaseWidth)}`
  switch (event.type) {
    case 'phase.started':
      return live ? [] : [`${style.dim(symbol.dot)} ${head(event.app, event.phase)}  ${style.dim(joined(cleanLine(event.detail ?? 'started'), usual(event.usualMs)))}`]
    case 'phase.finished': {
      const took = duration(event.ms)
      const detail = cleanLine(event.detail ?? '')
      if (event.outcome === 'done') return [`${style.ok(symbol.ok)} ${head(event.app, event.phase)}  ${joined(took, detail)}`]
      if (event.outcome === 'unchanged') return [`${style.dim(symbol.same)} ${head(event.app, event.phase)}  ${joined('unchanged', detail)}`]
      if (event.outcome === 'cancelled') return [`${style.warn(symbol.warn)} ${head(event.app, event.phase)}  ${joined(`cancelled after ${took}`, detail)}`]
      return [`${style.bad(symbol.bad)} ${head(event.app, event.phase)}  ${joined(`failed after ${took}`, detail)}`]
    }
    case 'resource': {
      // Elsewhere resources are steps of a phase, which itself says how it ended.
      if (action !== 'setup' && !action.startsWith('destroy')) return []
      if (event.status === 'failed') return [`${style.bad(symbol.bad)} ${cleanLine(`${event.action} ${event.key}: ${event.message ?? 'failed'}`)}`]
      return event.status === 'done' && event.action !== 'keep' ? [`${style.ok(symbol.ok)} ${past[event.action]} ${cleanLine(event.key)}${event.ms === undefined ? '' : style.dim(`  ${duration(event.ms)}`)}`] : []
    }
    case 'notice': {
      const text = withInvocation(cleanLine(event.text), form)
      const about = event.app === undefined ? '' : `${cleanLine(event.app)}: `
      return [event.level === 'warning' ? `${style.warn(symbol.warn)} ${about}${text}` : `${style.accent(symbol.info)} ${about}${text}`]
    }
    case 'app.staged':
      return [`${style.ok(symbol.ok)} ${style.strong(cleanLine(event.app).padEnd(nameWidth))}  ${cleanLine(event.deployment)} staged without traffic${event.address === undefined ? '' : ` at ${style.accent(cleanLine(event.address))}`}`]
    case 'app.released':
      return [
        event.canary !== undefined
          ? `${style.ok(symbol.ok)} ${style.strong(cleanLine(event.app).padEnd(nameWidth))}  ${cleanLine(event.deployment)} ${event.canary.percent} %, ${cleanLine(event.canary.stable)} ${100 - event.canary.percent} %, ${liveAt(event.url, style)}`
          : event.changed
          ? `${style.ok(symbol.ok)} ${style.strong(cleanLine(event.app).padEnd(nameWidth))}  ${cleanLine(event.deployment)} ${liveAt(event.url, style)}`
          : `${style.dim(symbol.same)} ${style.strong(cleanLine(event.app).padEnd(nameWidth))}  nothing changed; ${cleanLine(event.deployment)} ${liveAt(event.url, style)}`,
      ]
    case 'operation.started':
    case 'operation.finished':
      return []
    default:
      // A newer server reports what this client does not know: better the bare word than silence.
      return [`${style.dim(symbol.dot)} ${style.dim(cleanLine(String((event as { type: unknown }).type)))}`]
  }
}

/** An app that consists of workers has no address. */
const liveAt = (url: string, style: Style): string => (url === '' ? 'live' : `live at ${style.accent(cleanLine(url))}`)

/** The lines at the bottom of a terminal that are redrawn while something runs. */
export function liveLines(progress: Progress, { style, nameWidth, now, frame, logLine, rows }: { style: Style; nameWidth: number; now: number; frame: string; logLine?: string; rows: number }): readonly string[] {
  const running = progress.running.slice(0, Math.max(1, rows - 2)).map((phase) => `${style.accent(frame)} ${style.strong(cleanLine(phase.app).padEnd(nameWidth))}  ${phase.phase.padEnd(phaseWidth)}  ${elapsed(now - phase.startedAt)}${style.dim(rest(progress, phase))}`)
  const hidden = progress.running.length - running.length
  const waiting = waitingApps(progress)
  return [
    ...running,
    ...(logLine === undefined || running.length === 0 ? [] : [style.dim(`  ${style.symbol.bar} ${cleanLine(logLine)}`)]),
    ...(hidden > 0 ? [style.dim(`  and ${hidden} more`)] : []),
    ...(waiting.length > 0 ? [style.dim(`  next: ${waiting.map(cleanLine).join(', ')}`)] : []),
  ]
}

function rest(progress: Progress, { app, usualMs, step, detail }: RunningPhase): string {
  const next = nextPhases(progress, app)
  const parts = [usual(usualMs), cleanLine(step ?? detail ?? ''), next.length > 0 ? `next: ${next.join(', ')}` : ''].filter((part) => part !== '')
  return parts.length === 0 ? '' : `  ${parts.join(' · ')}`
}

const usual = (ms: number | undefined): string => (ms === undefined ? '' : `usually ${duration(ms)}`)
const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('  ')
const past = { create: 'created', update: 'updated', replace: 'replaced', delete: 'deleted' } as const
