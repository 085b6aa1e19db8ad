import { isPilotError } from '@pilot/core/errors'
import { describe, expect, test } from 'vitest'
import { importProcfile } from './procfile.ts'

const read = (text: string) => importProcfile({ text, file: 'Procfile', project: 'My Shop' })

describe('a Procfile', () => {
  test('of a Rails app', () => {
    expect(read('# what runs\nrelease: bundle exec rails db:migrate\nweb: bundle exec puma -C config/puma.rb -p $PORT\nMail_Worker: bundle exec sidekiq -q "mail"\n')).toMatchObject({
      manifest: {
        project: 'my-shop',
        apps: { web: { source: '.', command: 'bundle exec puma -C config/puma.rb -p $PORT', release: 'bundle exec rails db:migrate', processes: { 'mail-worker': 'bundle exec sidekiq -q "mail"' } } },
      },
      findings: [{ line: 4, kind: 'otherwise', what: 'Mail_Worker' }],
      secrets: [],
    })
  })

  test('without web says that nothing gets traffic', () => {
    expect(read('worker: node worker.js')).toMatchObject({ manifest: { apps: { web: { scale: 0, processes: { worker: 'node worker.js' } } } }, findings: [{ what: 'web' }] })
  })

  test.each([
    ['web node server.js\nworker: x\n: y', 'Procfile:1: not of the form NAME: COMMAND\nProcfile:3: not of the form NAME: COMMAND'],
    ['# nothing\n', 'Procfile names no process.'],
  ])('%j is refused', (text, message) => {
    try {
      read(text)
      expect.fail('it was read')
    } catch (error) {
      expect(isPilotError(error) && error.message).toBe(message)
    }
  })
})
