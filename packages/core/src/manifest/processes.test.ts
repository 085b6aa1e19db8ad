import { expect, test } from 'vitest'
import { isPilotError } from '../errors/pilot-error.ts'
import { detect, detectProgram } from './detect.ts'
import { parseManifest } from './parse-manifest.ts'
import { parseProcfile } from './procfile.ts'

const facts = (files: Readonly<Record<string, string>>) => ({ files: Object.keys(files).sort(), text: (path: string) => files[path] })

test('a Procfile gives its processes by names that can stand in keys, and its release command apart', () => {
  const text = '# comment\nweb: bin/serve -p $PORT\r\nMail_Worker:  ./mail --queue a:b  \nrelease: ./migrate\nnothing\nempty:\n  indented: x\n'
  expect(parseProcfile(text)).toEqual({ processes: { web: 'bin/serve -p $PORT', 'mail-worker': './mail --queue a:b' }, release: './migrate' })
  expect(parseProcfile('')).toEqual({ processes: {} })
})

test('a program takes its processes and release command from its Procfile; an image does not', () => {
  const files = { 'package.json': '{"scripts":{"start":"node x"}}', Procfile: 'web: node server.js\nworker: node worker.js\nrelease: node migrate.js' }
  expect(detectProgram(facts(files))).toMatchObject({ builder: 'node', start: 'node server.js', processes: { worker: 'node worker.js' }, release: 'node migrate.js' })
  expect(detect(facts({ ...files, Dockerfile: 'FROM x' }))).not.toHaveProperty('processes')
})

test('a Procfile without web says that nothing listens; with a release command alone the app starts as always', () => {
  const start = '{"scripts":{"start":"node x"}}'
  expect(detectProgram(facts({ 'package.json': start, Procfile: 'worker: node w.js' }))).not.toHaveProperty('start')
  expect(detectProgram(facts({ 'package.json': '{}', Procfile: 'worker: node w.js' }))).toMatchObject({ builder: 'node', processes: { worker: 'node w.js' } })
  expect(detectProgram(facts({ Procfile: 'worker: ./run' }))).toMatchObject({ builder: 'procfile', processes: { worker: './run' } })
  expect(detectProgram(facts({ 'package.json': start, Procfile: 'release: node m.js' }))).toMatchObject({ start: 'node x', release: 'node m.js' })
  expect(detectProgram(facts({ Procfile: 'release: ./m' }))).toBeUndefined()
})

test('a process named web and processes of a site are refused with the place of the key', () => {
  const problem = (text: string): string => {
    try {
      return String(parseManifest({ text, file: 'pilot.yaml' }))
    } catch (error) {
      return isPilotError(error) ? error.message : String(error)
    }
  }
  expect(problem('project: x\napps:\n  a:\n    processes: { web: ./x }\n')).toContain('pilot.yaml:4:18: `apps.a.processes.web` is the app itself: write it as `command`')
  expect(problem('project: x\napps:\n  a:\n    static: {}\n    release: ./x\n')).toContain('pilot.yaml:5:5: `apps.a.release` is of no use to a site')
})
