import { describe, expect, it } from 'vitest'
import { projectOf } from './load-project.ts'
import { environmentSettings, resolveApps } from './resolve-apps.ts'
import { unappliedKeys } from './unapplied.ts'

const project = (text: string) => projectOf({ text: `project: shop\n${text}`, file: '/shop/pilot.yaml' })
const web = (keys: string, environment = 'production') => resolveApps({ project: project(`apps:\n  web: ${keys}`), environment })[0]!

describe('an app', () => {
  it('that says nothing has the documented defaults', () => {
    expect(web('{}')).toEqual({
      app: { project: 'shop', app: 'web', environment: 'production' },
      buildArgs: {},
      health: { path: '/', acceptBelow: 500, intervalMs: 1000, timeoutMs: 5000, graceMs: 60_000 },
      memoryBytes: 512 * 1024 ** 2,
      cpu: 1,
      instances: 1,
      uses: [],
      env: {},
      secrets: [],
      domains: [],
      trusted: true,
    })
  })

  it('that says everything keeps it', () => {
    const [app] = resolveApps({
      project: project('apps:\n  api: { database: postgres }\n  web: { target: container, build: { dockerfile: ./deploy/Dockerfile, args: { V: 1.10 } }, command: node server.js, port: 3000, health: /up, memory: 1.5Gi, cpu: 0.25, scale: { min: 2, max: 5 }, database: { from: api }, uses: [api], env: { A: b }, secrets: [KEY], domains: [acme.dev] }'),
      environment: 'production',
      only: ['web'],
    })
    expect(app).toEqual({
      app: { project: 'shop', app: 'web', environment: 'production' },
      target: 'container',
      build: 'deploy/Dockerfile',
      buildArgs: { V: '1.10' },
      command: ['node', 'server.js'],
      port: 3000,
      health: { path: '/up', acceptBelow: 400, intervalMs: 1000, timeoutMs: 5000, graceMs: 60_000 },
      memoryBytes: 1.5 * 1024 ** 3,
      cpu: 0.25,
      instances: 2,
      database: { from: 'api' },
      uses: ['api'],
      env: { A: 'b' },
      secrets: ['KEY'],
      domains: ['acme.dev'],
      trusted: true,
    })
  })

  it.each([
    ['512Mi', 536_870_912],
    ['1Gi', 1_073_741_824],
    ['64000Ki', 65_536_000],
    ['512M', 512_000_000],
    ['20000000', 20_000_000],
  ])('with memory %s has %i bytes', (memory, bytes) => expect(web(`{ memory: ${memory} }`).memoryBytes).toBe(bytes))

  it.each([
    ['npm run worker', ['npm', 'run', 'worker']],
    ['node --max-old-space-size=200 server.js', ['node', '--max-old-space-size=200', 'server.js']],
    ['python -m http.server $PORT', ['sh', '-c', 'python -m http.server $PORT']],
    ['A=1 node server.js', ['sh', '-c', 'A=1 node server.js']],
    ['npm run migrate && npm start', ['sh', '-c', 'npm run migrate && npm start']],
    ['echo "a b"', ['sh', '-c', 'echo "a b"']],
  ])('with the command %s needs a shell only if it must', (command, words) => expect(web(`{ command: '${command}' }`).command).toEqual(words))

  it.each([
    ['buildpack', { build: 'buildpack' }],
    ['{ buildpack: true, args: { V: 1.10 } }', { build: 'buildpack', buildArgs: { V: '1.10' } }],
    ['{ builder: heroku/builder:24, buildpacks: [heroku/procfile, ./own] }', { build: 'buildpack', buildpacks: { builder: 'heroku/builder:24', buildpacks: ['heroku/procfile', './own'] } }],
    ['{ args: { V: 1 } }', { buildArgs: { V: '1' } }],
  ])('with build: %s is built so', (build, expected) => {
    const { build: found, buildpacks, buildArgs } = web(`{ build: ${build} }`)
    expect({ build: found, buildpacks, buildArgs }).toEqual({ buildArgs: {}, ...expected })
  })

  it('has a canary with its defaults', () => {
    expect(web('{ canary: { steps: [10, 50%] } }').canary).toEqual({ steps: [10, 50], everyMs: 300_000, maxErrors: 0.01, minRequests: 20 })
    expect(web('{ canary: { steps: [5], every: 30s, max-errors: 2.5%, min-requests: 100 } }').canary).toEqual({ steps: [5], everyMs: 30_000, maxErrors: 0.025, minRequests: 100 })
  })

  it('has values of env as they are written', () => {
    expect(web('{ env: { A: 1.10, B: true, C: 0x1F, D: 1e3, E: "x", F: "", G: 007, H: Yes, I: 12345678901234567890 } }').env).toEqual({ A: '1.10', B: 'true', C: '0x1F', D: '1e3', E: 'x', F: '', G: '007', H: 'Yes', I: '12345678901234567890' })
  })

  it('has health times as they are written', () => {
    expect(web('{ health: { path: /up, interval: 500ms, timeout: 1.5s, grace: 5m } }').health).toEqual({ path: '/up', acceptBelow: 400, intervalMs: 500, timeoutMs: 1500, graceMs: 300_000 })
  })

  it('from Git is trusted only if the user says so', () => {
    const from = project('apps:\n  web: { source: { git: https://git.acme.dev/x.git } }')
    expect(resolveApps({ project: from, environment: 'production' })[0]?.trusted).toBe(false)
    expect(resolveApps({ project: from, environment: 'production', trust: true })[0]?.trusted).toBe(true)
  })
})

describe('an environment', () => {
  const keys = '{ env: { A: base, N: 1.0 }, scale: { min: 2, max: 4 }, uses: [], memory: 1Gi, domains: [acme.dev], environments: { preview: { env: { B: own, N: 2.0 }, scale: { min: 1 }, memory: 256Mi } } }'

  it('merges maps by key and replaces all else', () => {
    expect(web(keys, 'preview')).toMatchObject({ env: { A: 'base', B: 'own', N: '2.0' }, instances: 1, memoryBytes: 256 * 1024 ** 2 })
    expect(web(keys)).toMatchObject({ env: { A: 'base', N: '1.0' }, instances: 2, memoryBytes: 1024 ** 3 })
  })

  it('of a pull request takes what preview says', () => {
    expect(web(keys, 'preview-42')).toMatchObject({ app: { environment: 'preview-42' }, env: { B: 'own' } })
    expect(web(keys, 'previewer')).toMatchObject({ env: { A: 'base' } })
  })

  it('other than production has no domains but its own', () => {
    expect(web(keys).domains).toEqual(['acme.dev'])
    expect(web(keys, 'preview').domains).toEqual([])
    expect(web('{ domains: [acme.dev], environments: { staging: { domains: [staging.acme.dev] } } }', 'staging').domains).toEqual(['staging.acme.dev'])
  })

  it('must be one of those that the manifest names, if it names any', () => {
    const named = project('environments: { preview: { platform: local, protected: true } }\napps: { web: {} }')
    expect(() => resolveApps({ project: named, environment: 'preveiw' })).toThrow(expect.objectContaining({ code: 'USAGE', suggestion: 'Did you mean preview?' }))
    expect(() => resolveApps({ project: named, environment: 'qa' })).toThrow(expect.objectContaining({ suggestion: expect.stringContaining('It has production, preview.') }))
    expect(() => resolveApps({ project: named, environment: 'Not ok' })).toThrow(expect.objectContaining({ code: 'USAGE' }))
    expect(resolveApps({ project: named, environment: 'production' })).toHaveLength(1)
    expect(environmentSettings(named, 'preview-7')).toEqual({ platform: 'local', protected: true })
    expect(environmentSettings(named, 'production')).toEqual({})
  })

  it('gives processes and the release command as words, merged by name in an environment', () => {
    const app = resolveApps({ project: project('apps:\n  web:\n    processes: { worker: npm run worker, mail: "sleep 1; ./mail" }\n    release: npm run migrate\n    environments: { preview: { processes: { mail: ./mail --slow } } }'), environment: 'preview' })[0]
    expect(app).toMatchObject({ processes: { worker: ['npm', 'run', 'worker'], mail: ['./mail', '--slow'] }, release: ['npm', 'run', 'migrate'] })
  })

  it('with an app that is not there says which there are', () => {
    const two = project('apps: { web: {}, api: {} }')
    expect(() => resolveApps({ project: two, environment: 'production', only: ['wbe'] })).toThrow(expect.objectContaining({ code: 'NOT_FOUND', message: 'Project shop has no app "wbe"', suggestion: 'Did you mean web?' }))
    expect(() => resolveApps({ project: two, environment: 'production', only: ['x'] })).toThrow(expect.objectContaining({ suggestion: 'It has web, api.' }))
  })
})

describe('drain', () => {
  it('is a duration of at most an hour, and absent when the default holds', () => {
    expect(web('{ drain: 5m }')).toMatchObject({ drainMs: 300_000 })
    expect(web('{}')).not.toHaveProperty('drainMs')
    expect(() => web('{ drain: 2h }')).toThrow('write at most 1h')
    expect(() => web('{ drain: soon }')).toThrow('a duration such as')
  })
})

describe('a function', () => {
  it('has its defaults, what it says, and the number of events at once from scale', () => {
    expect(web('{ function: ./src/index.handler }')).toMatchObject({ target: 'function', instances: 10, function: { handler: 'src/index.handler', timeoutMs: 30_000, http: true } })
    expect(web('{ function: { handler: a.b.c, timeout: 2m, http: false, queue: { batch: 1 } }, scale: { max: 3 }, cron: { nightly: { schedule: "@daily" } } }')).toMatchObject({ instances: 3, function: { handler: 'a.b.c', timeoutMs: 120_000, http: false, queue: { batch: 1, retries: 3 } }, cron: { nightly: { command: [] } } })
  })

  it('tells those that use it whether it has a queue', () => {
    const apps = resolveApps({ project: project('apps:\n  web: { uses: [a, b] }\n  a: { function: { handler: i.h, queue: true } }\n  b: { function: i.h }'), environment: 'production' })
    expect(apps[0]).toMatchObject({ uses: ['a', 'b'], queues: ['a'] })
    expect(apps[1]).not.toHaveProperty('queues')
  })

  it.each([
    ['{ function: index }', 'a handler such as src/index.handler'],
    ['{ function: ../x.handler }', 'a handler such as src/index.handler'],
    ['{ function: i.h, port: 80 }', '`apps.web.port` is of no use to a function'],
    ['{ function: i.h, static: {} }', '`apps.web.static` is of no use to a function'],
    ['{ function: i.h, scale: { min: 1 } }', 'write how many events it handles at once as `max`'],
    ['{ function: { handler: i.h, timeout: 16m } }', 'write at most 15m'],
    ['{ target: function }', 'write `function: src/index.handler`'],
    ['{ cron: { a: { schedule: "@daily" } } }', 'only a function is called without one'],
  ])('%s is refused', (keys, message) => expect(() => web(keys)).toThrow(message))
})

describe('keys that no platform applies yet', () => {
  it('are listed with their place, in the environment that is asked for', () => {
    const later = project('apps:\n  web:\n    cron: { report: { schedule: "@daily", run: report } } # applied\n    scale: { max: 3 }\n    volumes: { data: /data }\n    environments: { preview: { hooks: { after-release: x } } }\n  api: { source: { git: https://x } }')
    expect(unappliedKeys({ project: later, environment: 'production' })).toEqual([
      { app: 'web', key: 'scale.max', line: 5, column: 14 },
      { app: 'api', key: 'source.git', line: 8, column: 20 },
    ])
    expect(unappliedKeys({ project: later, environment: 'preview', only: ['web'], keys: ['scale.max'] })).toEqual([{ app: 'web', key: 'scale.max', line: 5, column: 14 }])
  })
})
