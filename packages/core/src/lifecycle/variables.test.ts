import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { maxVariableBytes, refuseBadVariable, refuseLargeEnvironment } from './variables.ts'

const started = (env: Record<string, string>): boolean => spawnSync('/bin/true', { env }).status === 0

test('the longest value that is let through starts a program, and on Linux one more byte does not', () => {
  const longest = 'x'.repeat(maxVariableBytes - 'BIG='.length - 1)
  expect(() => refuseBadVariable('BIG', longest)).not.toThrow()
  expect(started({ BIG: longest })).toBe(true)
  expect(() => refuseBadVariable('BIG', `${longest}x`)).toThrow('BIG is 129 KB, more than the 128 KB that an environment variable can have')
  if (process.platform === 'linux') expect(started({ BIG: `${longest}x` })).toBe(false)
})

test('many that are let through start a program, and what is too much names the largest', () => {
  const value = 'x'.repeat(100_000)
  const env = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`V${index}`, value]))
  expect(() => refuseLargeEnvironment(env, 'shop/web')).not.toThrow()
  expect(started(env)).toBe(true)
  expect(() => refuseLargeEnvironment({ ...env, LAST: value }, 'shop/web')).toThrow(expect.objectContaining({ code: 'USAGE', message: 'The environment of shop/web is 1075 KB, more than the 1024 KB that a program can be started with', reason: 'The largest: LAST (98 KB), V0 (98 KB), V1 (98 KB).' }))
})

test.each(['a\nb\r\nc', '"quoted" and \'quoted\'', '$HOME $(id) `id` %PATH%', '', ' ', '\u001b[31m', 'caf\u00e9 \ud83d\ude00', '=', '\\n'])('a value may be any text: %j', (value) => {
  expect(() => refuseBadVariable('KEY', value)).not.toThrow()
})

test('a zero byte and a bad name are refused, and no value stands in the error', () => {
  expect(() => refuseBadVariable('KEY', 'sesame\0')).toThrow(expect.objectContaining({ code: 'USAGE', message: 'The value of KEY holds a zero byte' }))
  for (const name of ['', '1A', 'A-B', 'A B', 'A=B', 'A\n', '\u00c4', '__proto__', 'A\0']) expect(() => refuseBadVariable(name, 'sesame')).toThrow(expect.objectContaining({ code: 'USAGE', message: expect.not.stringContaining('sesame') }))
})
