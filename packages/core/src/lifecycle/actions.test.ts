import { describe, expect, it } from 'vitest'
import { actionTable, allowedActions, type AppAction } from './actions.ts'
import type { AppState } from './records.ts'

const states: readonly AppState[] = ['absent', 'staged', 'live', 'unhealthy', 'stopped', 'destroyed']

/** The whole table as people would draw it: x allowed, . not. */
const drawing = `
          absent staged live unhealthy stopped destroyed
up        x      x      x    x         x       x
build     x      x      x    x         x       x
deploy    x      x      x    x         x       x
release   .      x      x    x         x       .
rollback  .      .      x    x         x       .
restart   .      .      x    x         .       .
stop      .      .      x    x         .       .
start     .      .      .    .         x       .
scale     .      .      x    x         .       .
env       x      x      x    x         x       x
secret    x      x      x    x         x       x
logs      .      x      x    x         x       .
open      .      .      x    x         .       .
backup    .      x      x    x         x       x
restore   .      x      x    x         x       x
volumes   x      x      x    x         x       x
destroy   x      x      x    x         x       x
`

describe('allowed actions', () => {
  it('are these in each state', () => {
    const rows = (Object.keys(actionTable) as AppAction[]).map((action) => {
      const cells = states.map((state) => (allowedActions({ state }).find((verdict) => verdict.action === action)?.allowed ? 'x' : '.'))
      return [action, ...cells].join(' ')
    })
    const drawn = drawing.trim().split('\n').slice(1).map((line) => line.split(/\s+/).join(' '))
    expect(rows).toEqual(drawn)
  })

  it('give a reason for each that is not allowed', () => {
    const silent = states.flatMap((state) => allowedActions({ state })).filter(({ allowed, reason }) => !allowed && !reason)
    expect(silent).toEqual([])
  })

  it('are only those that change nothing while another operation holds the app', () => {
    const allowed = allowedActions({ state: 'live', busy: 'up of shop/api by ada' }).filter((verdict) => verdict.allowed)
    expect(allowed.map(({ action }) => action)).toEqual(['logs', 'open'])
    expect(allowedActions({ state: 'live', busy: 'up of shop/api by ada' }).find(({ action }) => action === 'up')?.reason).toBe('Held by up of shop/api by ada.')
  })
})
