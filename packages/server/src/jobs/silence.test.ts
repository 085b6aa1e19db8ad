import { expect, test } from 'vitest'
import { watchSilence } from './silence.ts'

function watched() {
  let time = 1_000
  const silence = watchSilence({ lookMs: 10_000, now: () => time })
  return (afterMs: number, beat: string) => {
    time += afterMs
    return silence.look([{ id: 'a', beat }]).get('a')
  }
}

test('a heart that stands still for several looks is silent for as long as they took', () => {
  const look = watched()
  expect([look(0, '1'), look(10_000, '1'), look(10_000, '1'), look(10_000, '1')]).toEqual([0, 10_000, 20_000, 30_000])
})

test('one that beats is not silent', () => {
  const look = watched()
  expect([look(0, '1'), look(10_000, '1'), look(10_000, '2'), look(10_000, '2')]).toEqual([0, 10_000, 0, 10_000])
})

test('ten minutes in which nobody looked are a sleep, not a silence', () => {
  const look = watched()
  expect([look(0, '1'), look(600_000, '1')]).toEqual([0, 20_000])
})
