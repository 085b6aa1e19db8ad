import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPilotError } from '../errors/pilot-error.ts'
import { parseManifest } from './parse-manifest.ts'

const parse = (text: string) => parseManifest({ text, file: 'pilot.yaml' })

/** The lines of the message, without those of other problems. */
function problems(text: string): string[] {
  try {
    parse(text)
  } catch (error) {
    if (!isPilotError(error)) throw error
    expect(error.code).toBe('MANIFEST_INVALID')
    return error.message.split('\n')
  }
  return []
}

/** A manifest with one app of these keys; they begin in line 4. */
const app = (...keys: string[]): string => ['project: acme', 'apps:', '  web:', ...keys.map((key) => `    ${key}`)].join('\n')

describe('a manifest', () => {
  it('may have every key that there is', () => {
    const { manifest } = parse(everything)
    expect(manifest.project).toBe('acme')
    expect(manifest.environments).toEqual({ production: { platform: 'acme-aws', protected: true }, preview: { platform: 'local' } })
    expect(manifest.apps.auth).toMatchObject({ port: 8080, cpu: 0.25, cron: { report: { schedule: '0 6 * * *', run: 'npm run report' } }, hooks: { 'after-release': './notify.sh' }, environments: { preview: { scale: { min: 1, max: 1 } } } })
    expect(manifest.apps.storefront).toEqual({ source: './web', static: { output: 'dist', command: 'npm run build', spa: true }, route: '/' })
  })

  it('may use anchors, merge keys, comments and a byte order mark', () => {
    const { manifest } = parse('\uFEFF# ours\nproject: acme\napps:\n  web: &web { source: ., memory: 1Gi, env: { A: x } }\n  api:\n    <<: *web\n    source: ./api\r\n')
    expect(manifest.apps.api).toEqual({ source: './api', memory: '1Gi', env: { A: 'x' } })
  })

  it.each<{ title: string; text: string; says: string[] }>([
    { title: 'a wrong value with its valid forms', text: app('memory: 512 MB'), says: ['pilot.yaml:4:13: `apps.web.memory` is "512 MB": write a size such as 512Mi or 1Gi'] },
    { title: 'a wrong type', text: app('port: "80"', 'uses: mailer', 'env: [A]'), says: ['pilot.yaml:4:11: `apps.web.port` is "80": write a port from 1 to 65535', 'pilot.yaml:5:11: `apps.web.uses` is "mailer": write a list of apps of this project, such as [mailer]', 'pilot.yaml:6:10: `apps.web.env` is a list: write values by name, such as { LOG_LEVEL: info }'] },
    { title: 'a number out of range', text: app('port: 70000', 'cpu: 0', 'scale: -1'), says: ['pilot.yaml:4:11: `apps.web.port` is 70000: write a port from 1 to 65535', 'pilot.yaml:5:10: `apps.web.cpu` is 0: write a number of cores from 0.01 to 64', 'pilot.yaml:6:12: `apps.web.scale` is -1: write a number of instances from 0 to 100'] },
    { title: 'a word that is nearly one of the valid ones', text: app('target: contaner'), says: ['pilot.yaml:4:13: `apps.web.target` is "contaner": write container, process, function, static or vm (did you mean container?)'] },
    { title: 'an unknown key that is nearly one', text: app('prot: 80', 'memroy: 1Gi', 'HEALTH: /'), says: ['pilot.yaml:4:5: Unknown key `prot` in `apps.web`: did you mean `port`?', 'pilot.yaml:5:5: Unknown key `memroy` in `apps.web`: did you mean `memory`?', 'pilot.yaml:6:5: Unknown key `HEALTH` in `apps.web`: did you mean `health`?'] },
    { title: 'an unknown key that is like none, with the valid ones', text: 'project: x\nplatforms: {}\nreplicas: 3\napps: { web: { source: . } }', says: ['pilot.yaml:2:1: Unknown key `platforms`: valid are project, environments, apps', 'pilot.yaml:3:1: Unknown key `replicas`: valid are project, environments, apps'] },
    { title: 'an unknown key below a key with two forms', text: app('scale: { mim: 1 }', 'source: { gti: https://x }', 'database: { form: api }'), says: ['pilot.yaml:4:14: Unknown key `mim` in `apps.web.scale`: did you mean `min`?', 'pilot.yaml:5:15: Unknown key `gti` in `apps.web.source`: did you mean `git`?', 'pilot.yaml:6:17: Unknown key `form` in `apps.web.database`: did you mean `from`?'] },
    { title: 'an unknown key in an environment', text: app('environments: { preview: { memroy: 1Gi } }'), says: ['pilot.yaml:4:32: Unknown key `memroy` in `apps.web.environments.preview`: did you mean `memory`?'] },
    { title: 'a name that cannot be one', text: 'project: My_Shop\napps:\n  Web: { source: . }', says: ['pilot.yaml:1:10: `project` is "My_Shop": write a name of a-z, 0-9 and -, at most 40 characters', 'pilot.yaml:3:3: `apps.Web`: write a name of a-z, 0-9 and -, at most 40 characters'] },
    { title: 'what is missing', text: 'apps: {}\n', says: ['pilot.yaml:1:1: `project` is missing: write a name of a-z, 0-9 and -, at most 40 characters', 'pilot.yaml:1:7: `apps` is a map: write at least one app'] },
    { title: 'an app without keys', text: 'project: x\napps:\n  web:\n', says: ['pilot.yaml:3:7: `apps.web` is empty: write keys of an app, such as { source: . }'] },
    { title: 'an empty file', text: '# nothing\n', says: ['pilot.yaml:1:1: The manifest is empty: write `project` and `apps`'] },
    { title: 'a file that is something else', text: '- a\n', says: ['pilot.yaml:1:1: The manifest is a list: write a map with project and apps'] },
    { title: 'a key that stands twice', text: app('port: 80', 'port: 81'), says: ['pilot.yaml:5:5: `port` stands twice (first in line 4)'] },
    { title: 'broken YAML', text: 'project: x\napps:\n\tweb: {}\n', says: [expect.stringMatching(/^pilot\.yaml:3:1: /) as unknown as string] },
    { title: 'two documents', text: 'project: x\n---\nproject: y', says: ['pilot.yaml:2:1: There is more than one document: `---` must not stand between'] },
    { title: 'a domain that Pilot gives', text: app('domains: [web.other.localhost]'), says: ['pilot.yaml:4:15: `apps.web.domains[0]` is "web.other.localhost": write a host name outside of .localhost, where Pilot gives each app its own name'] },
    { title: 'a domain with a scheme', text: app('domains: [https://acme.dev/]'), says: ['pilot.yaml:4:15: `apps.web.domains[0]` is "https://acme.dev/": write a host name in lower case such as auth.acme.dev, without https:// and path'] },
    { title: 'a path out of the source', text: app('build: ../Dockerfile', 'static: { output: /dist }'), says: ['pilot.yaml:4:12: `apps.web.build` is "../Dockerfile": write a path inside the source, without a leading / and without ..', 'pilot.yaml:5:23: `apps.web.static.output` is "/dist": write a path inside the source, without a leading / and without ..'] },
    { title: 'memory without a unit', text: app('memory: 512'), says: ['pilot.yaml:4:13: `apps.web.memory` is 512 bytes: write at least 16Mi, such as 512Mi'] },
    { title: 'a canary whose shares are none', text: app('canary: { steps: [50, 10%] }'), says: ['pilot.yaml:4:22: `apps.web.canary.steps` is a list: write shares that ascend, such as [10, 50]'] },
    { title: 'steps, checks and limits of no time', text: app('canary: { steps: [10], every: 0s }\n    health: { path: /, interval: 0.0ms }'), says: ['pilot.yaml:4:35: `apps.web.canary.every` is "0s": write a duration such as 500ms, 30s or 2m', 'pilot.yaml:5:34: `apps.web.health.interval` is "0.0ms": write a duration such as 500ms, 30s or 2m'] },
    { title: 'a share of all of the traffic', text: app('canary: { steps: [100] }'), says: ['pilot.yaml:4:23: `apps.web.canary.steps[0]` is 100: write a share such as 10 or 10%, from 1 to 99'] },
    { title: 'a canary without steps', text: app('canary: { every: 5m, max-errors: 300% }'), says: ['pilot.yaml:4:5: `apps.web.canary.steps` is missing: write shares such as [10, 50]', 'pilot.yaml:4:38: `apps.web.canary.max-errors` is "300%": write a share of requests such as 1%'] },
    { title: 'fewer instances at most than at least', text: app('scale: { min: 3, max: 2 }'), says: ['pilot.yaml:4:27: `apps.web.scale.max` is 2, less than min (3)'] },
    { title: 'source and image', text: app('source: .', 'image: redis:7'), says: ['pilot.yaml:5:5: `apps.web` has both `source` and `image`: write one of them'] },
    { title: 'what is built, for an image', text: app('image: redis:7', 'build: Dockerfile', 'target: process'), says: ['pilot.yaml:5:5: `apps.web.build` is for a source, and `apps.web` is a finished image: remove one of them', 'pilot.yaml:6:13: `apps.web.target` is "process": an image runs as a container'] },
    { title: 'a buildpack of this machine, and one that is no name', text: app('build: { buildpacks: [../secrets, "file:///root/x.tgz", /etc, ./own] }'), says: ['../secrets', 'file:///root/x.tgz', '/etc'].map((wrong, index) => `pilot.yaml:4:${[27, 39, 61][index]}: \`apps.web.build.buildpacks[${index}]\` is "${wrong}": write a buildpack such as heroku/nodejs@4.1.4, docker://IMAGE, or a folder of the source such as ./buildpacks/mine`) },
    { title: 'a Dockerfile and buildpacks', text: app('build: { dockerfile: Dockerfile, builder: heroku/builder:24 }'), says: ['pilot.yaml:4:12: `apps.web.build` is a map: write a Dockerfile, or buildpacks: not both'] },
    { title: 'buildpacks for a process', text: app('build: buildpack', 'target: process'), says: ['pilot.yaml:5:13: `apps.web.target` is "process": what buildpacks build runs as a container'] },
    { title: 'two apps at one place', text: 'project: x\napps:\n  web: { route: / }\n  api: { route: /api }\n  old: { route: /api/ }', says: ['pilot.yaml:5:17: `apps.old.route` is "/api/", which `apps.api` answers already'] },
    { title: 'a route that is no path', text: app('route: shop.localhost/api'), says: ['pilot.yaml:4:12: `apps.web.route` is "shop.localhost/api": write a path that begins with /, such as /api, without ? # %'] },
    { title: 'what is no image', text: app('image: https://ghcr.io/acme/auth'), says: ['pilot.yaml:4:12: `apps.web.image` is "https://ghcr.io/acme/auth": write an image such as redis:7 or ghcr.io/acme/auth@sha256:… (64 hexadecimal digits)'] },
    { title: 'a variable that Pilot sets', text: app('database: postgres', 'env: { PORT: 80, DATABASE_URL: x }', 'secrets: [DATABASE_URL]'), says: ['pilot.yaml:5:12: `apps.web.env.PORT` is set by Pilot because of `port`: remove one of them', 'pilot.yaml:5:22: `apps.web.env.DATABASE_URL` is set by Pilot because of `database`: remove one of them', 'pilot.yaml:6:15: `apps.web.secrets[0]` is DATABASE_URL, which Pilot sets because of `database`: remove one of them'] },
    { title: 'a secret with a value', text: app('env: { KEY: abc }', 'secrets: [KEY]'), says: ['pilot.yaml:5:15: `apps.web.secrets[0]` is KEY, which also stands in `env`: a value that stands here is no secret'] },
    {
      title: 'names of apps and environments that are not there',
      text: 'project: x\nenvironments: { preview: {} }\napps:\n  web: { uses: [maler, web], environments: { preveiw: {} } }\n  mailer: { database: { from: wbe } }',
      says: ['pilot.yaml:4:17: `apps.web.uses[0]` is "maler", and there is no such app: did you mean "mailer"?', 'pilot.yaml:4:24: `apps.web.uses[1]` is the app itself', 'pilot.yaml:4:46: `apps.web.environments.preveiw` is "preveiw", and there is no such environment: did you mean "preview"?', 'pilot.yaml:5:31: `apps.mailer.database.from` is "wbe", and there is no such app: did you mean "web"?'],
    },
    {
      title: 'databases that go round in a circle, or are not there',
      text: 'project: x\napps:\n  a: { database: { from: b } }\n  b: { database: { from: a } }\n  c: { database: { from: d } }\n  d: {}\n  e: { database: { from: e } }',
      says: ['pilot.yaml:3:26: `apps.a.database.from` goes round in a circle: a → b → a', 'pilot.yaml:4:26: `apps.b.database.from` goes round in a circle: b → a → b', 'pilot.yaml:5:26: `apps.c.database.from` is "d", which has no database: write `database: postgres` at `apps.d`', 'pilot.yaml:7:26: `apps.e.database.from` is the app itself: write `database: postgres`'],
    },
  ])('names $title', ({ text, says }) => {
    expect(problems(text)).toEqual(says)
  })

  it('may have apps that use each other, and one named like a method of objects', () => {
    expect(problems('project: x\napps:\n  a: { uses: [b] }\n  b: { uses: [a, constructor] }\n  constructor: { database: { from: a } }')).toEqual([
      'pilot.yaml:5:36: `apps.constructor.database.from` is "a", which has no database: write `database: postgres` at `apps.a`',
    ])
    expect(problems('project: x\napps: { a: { uses: [tostring] } }')).toEqual(['pilot.yaml:2:21: `apps.a.uses[0]` is "tostring", and there is no such app: this is the only app'])
  })

  it('with many errors shows the first few in the message, all in the details, and the line of the first', () => {
    const text = app(...Array.from({ length: 8 }, (_, index) => `wrong${index}${index}: 1`))
    expect(() => parse(text)).toThrow(/^pilot\.yaml:4:5: .*\n(?:pilot\.yaml:\d:5: .*\n){4}… and 3 more$/)
    try {
      parse(text)
    } catch (error) {
      expect(error).toMatchObject({ reason: '4 |     wrong00: 1\n  |     ^', details: { file: 'pilot.yaml', problems: { length: 8 } } })
    }
  })

  it('does not show a long value in full', () => {
    expect(problems(app(`memory: ${'x'.repeat(500)}`))[0]).toHaveLength(133)
  })
})

describe('a hostile manifest', () => {
  const laughs = ['a: &a [x,x,x,x,x,x,x,x,x]', ...[...'bcdefghij'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[index]}`).join(',')}]`)].join('\n')

  it.each<[string, string, string]>([
    ['is larger than the limit', `# ${'x'.repeat(300_000)}`, 'larger than 256 KB'],
    ['nests brackets', '['.repeat(200_000), 'Nested deeper'],
    ['nests lists', '- '.repeat(100_000), 'Nested deeper'],
    ['nests maps', Array.from({ length: 500 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'), 'Nested deeper'],
    ['expands aliases to billions', laughs, 'Aliases expand to too much'],
    ['contains itself', 'project: &a [*a]', 'Nested deeper'],
    ['merges itself', 'a: &a\n  <<: *a', 'Aliases expand to too much'],
    ['has very many keys', `{${Array.from({ length: 30_000 }, (_, index) => `k${index}`).join(',')}}`, 'More than 20000 values'],
    ['has very many errors', '}\n'.repeat(60_000), 'Unexpected'],
    ['sets a prototype', '__proto__: { polluted: true }\nproject: x', '`__proto__` cannot be a key'],
    ['has maps as keys', '? { a: b }\n: c', 'A key must be a plain word'],
  ])('that %s is refused quickly', (_what, text, says) => {
    const started = process.cpuUsage()
    expect(problems(text)[0]).toContain(says)
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(5000)
  })

  it('of any text gives a manifest or errors with positions, nothing else', () => {
    const word = fc.constantFrom('project', 'apps', 'web', 'source', 'env', 'scale', 'min', 'database', 'from', 'health', 'uses', 'cron', 'environments', 'production', 'hooks', '*a', '&a', '<<', '{', '}', '[', ']', ':', ': ', '- ', ', ', '\n', '\n  ', '\n    ', '"', "'", '|', '>', '!!set', '#', '0x1', 'null', '~', '512Mi', '/', '\t', '\u0000', '\uFEFF', '---')
    fc.assert(fc.property(fc.array(fc.oneof({ weight: 5, arbitrary: word }, fc.string()), { maxLength: 40 }), (words) => checkPositions(words.join(''))), { numRuns: 150 })
  })

  it('of any structure gives a manifest or errors with positions, nothing else', () => {
    const key = fc.oneof(fc.constantFrom('project', 'apps', 'web', 'source', 'build', 'env', 'scale', 'min', 'max', 'database', 'from', 'health', 'uses', 'cron', 'environments', 'preview', 'secrets', 'volumes', 'static', 'memory'), fc.string({ maxLength: 6 }))
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof({ maxDepth: 5, depthIdentifier: 'manifest' }, fc.oneof(fc.constantFrom('web', '512Mi', '/', 'postgres', true, 1, 0, null), fc.string({ maxLength: 8 }), fc.double()), fc.array(tie('value'), { maxLength: 3 }), fc.dictionary(key, tie('value'), { maxKeys: 6 })),
    }))
    fc.assert(fc.property(value, value, (environments, web) => checkPositions(JSON.stringify({ project: 'x', environments, apps: { web } }))), { numRuns: 150 })
    fc.assert(fc.property(value, (whole) => checkPositions(JSON.stringify(whole))), { numRuns: 100 })
  })
})

function checkPositions(text: string): void {
  for (const problem of problems(text)) expect(problem).toMatch(/^(?:pilot\.yaml:[1-9]\d*:[1-9]\d*: \S|… and \d+ more$)/)
}

const everything = `
project: acme
environments:
  production: { platform: acme-aws, protected: true }
  preview: { platform: local }
apps:
  auth:
    source: ./auth            # or { git: https://…, ref: main, path: auth }; or image: name@digest
    build: Dockerfile         # or buildpack; detected when absent
    command: npm run serve
    target: container
    port: 8080
    health: /healthz
    memory: 512Mi
    cpu: 0.25
    scale: { min: 1, max: 3 }
    release: npm run migrate  # once, before traffic moves
    processes: { worker: npm run worker }
    cron: { report: { schedule: "0 6 * * *", run: npm run report } }
    database: postgres        # or { from: other-app }: shared, with a user of its own
    volumes: { data: /var/lib/app }
    uses: [mailer]            # opens the path, gives MAILER_URL at run and at static build
    env: { LOG_LEVEL: info }
    secrets: [JWT_KEY]
    domains: [auth.acme.dev]
    hooks: { after-release: ./notify.sh }
    environments: { preview: { scale: { min: 1, max: 1 } } }
  storefront:
    source: ./web
    static: { output: dist, command: npm run build, spa: true }
    route: /                  # apps may share a host: another may have route: /api
  mailer:
    source: { git: https://git.acme.dev/mailer.git, ref: main, path: app }
    build: { dockerfile: deploy/Dockerfile, args: { VERSION: 3 } }
    health: { path: /up, interval: 500ms, timeout: 2s, grace: 2m }
    database: { from: auth }
    scale: 2
    command: [node, server.js]
  cache:
    image: redis@sha256:${'0'.repeat(64)}
`
