import { expect, test } from 'vitest'
import type { AppView } from '@pilot/server/contract'
import { statusText } from '../status-text.ts'
import { parseCommand } from '../parse.ts'
import { createStyle } from '../text/style.ts'
import { exec, run } from './run.ts'

test('what follows the first -- belongs to the app, whatever it looks like', () => {
  const { globals, input } = parseCommand(run, ['api', '--json', '--', 'npm', 'test', '--', '--json', '-p', 'x'])
  expect(input).toMatchObject({ args: ['api'], command: ['npm', 'test', '--', '--json', '-p', 'x'] })
  expect(globals).toMatchObject({ json: true })
  expect(globals).not.toHaveProperty('project')
  expect(parseCommand(exec, ['--process', 'worker', '--', 'ls']).input).toMatchObject({ args: [], command: ['ls'], options: { process: 'worker' } })
})

test('without a command it says which form is right', () => {
  expect(() => parseCommand(run, ['api', 'ls'])).toThrow('run wants a command after `--`.')
  expect(() => parseCommand(exec, ['--'])).toThrow('exec wants a command after `--`.')
})

test('status shows the processes of an app below it, each with its state, and keeps them out of the count of its instances', async () => {
  const app = { project: 'shop', app: 'web', environment: 'production' }
  const instance = (process: string | undefined, state: string, more: object = {}) => ({ deployment: 'd1', instance: `${process}-${state}`, ...(process === undefined ? {} : { process }), state, memoryBytes: 20 * 1024 ** 2, ...more })
  const instances = [instance(undefined, 'running'), instance('mail', 'running'), instance('mail', 'exited', { exitCode: 3 }), instance('clock', 'running')]
  const view = { platform: 'local', actions: {}, status: { app, state: 'live', deployment: { number: 1 }, instances } } as unknown as AppView
  const text = await statusText({ platforms: [], apps: [view], jobs: [] }, { style: createStyle({ color: false, unicode: true }), form: 'pilot', now: 0 })
  const lines = text.split('\n').map((line) => line.trim().split(/ {2,}/))
  expect(lines[2]).toEqual(['web', 'live', 'v1', '20 MB'])
  expect(lines[3]).toEqual(['└ clock', 'running', '20 MB'])
  expect(lines[4]).toEqual(['└ mail', 'exited 1/2, exit code 3', '40 MB'])
})
