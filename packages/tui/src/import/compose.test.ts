import { isPilotError } from '@pilot/core/errors'
import { describe, expect, test } from 'vitest'
import { importCompose } from './compose.ts'

const read = (text: string) => importCompose({ text, file: 'compose.yaml', project: 'shop' })
const found = (text: string) => read(text).findings.map(({ line, kind, what }) => `${line} ${kind}: ${what}`)

const rails = `
name: acme
services:
  web:
    build: .
    command: bundle exec rails s -b 0.0.0.0
    ports: ["3000:3000"]
    restart: unless-stopped
    environment:
      RAILS_ENV: production
      DATABASE_URL: postgres://app:hunter2@db/app
      REDIS_URL: redis://redis:6379/0
      API_URL: http://api:8000
      SECRET_KEY_BASE: 0123456789abcdef
      VERSION: 1.10
      MAIL_FROM: \${MAIL_FROM:-shop@example.com}
      SMTP_PASSWORD: \${SMTP_PASSWORD}
    depends_on:
      db: { condition: service_healthy }
      migrate: { condition: service_completed_successfully }
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:3000/up"]
      interval: 10s
      start_period: 1m30s
    volumes:
      - uploads:/app/storage
      - ./config:/app/config:ro
  migrate:
    build: .
    command: bundle exec rails db:migrate
    depends_on: [db]
  worker:
    build: { context: ./ }
    command: ["bundle", "exec", "sidekiq", "-q", "mail out"]
    environment: { QUEUES: all }
  api:
    build: { context: ./api, dockerfile: deploy/Dockerfile, args: { NODE: "24", NPM_TOKEN: hunter3 }, target: run }
    expose: [8000]
    deploy:
      replicas: 2
      resources: { limits: { cpus: "0.5", memory: 256M } }
    env_file: .env.api
    secrets: [jwt_key]
  db:
    image: postgres:16-alpine
    environment: { POSTGRES_PASSWORD: hunter4 }
    volumes: [pg:/var/lib/postgresql/data]
  redis: { image: "redis:7" }
volumes: { uploads: {}, pg: }
secrets: { jwt_key: { file: ./jwt.pem } }
networks: { back: { driver: bridge } }
`

describe('a compose.yaml', () => {
  test('of a Rails app with worker, database, queue and a second service', () => {
    const { manifest, secrets, text } = read(rails)
    expect(manifest).toEqual({
      project: 'acme',
      apps: {
        web: {
          source: '.',
          command: 'bundle exec rails s -b 0.0.0.0',
          port: 3000,
          health: { path: '/up', interval: '10s', grace: '90s' },
          release: 'bundle exec rails db:migrate',
          processes: { worker: "bundle exec sidekiq -q 'mail out'" },
          database: 'postgres',
          volumes: { uploads: '/app/storage' },
          uses: ['api'],
          env: { RAILS_ENV: 'production', VERSION: '1.10', MAIL_FROM: 'shop@example.com' },
          secrets: ['SECRET_KEY_BASE', 'SMTP_PASSWORD'],
        },
        api: { source: './api', build: { dockerfile: 'deploy/Dockerfile', args: { NODE: '24' } }, port: 8000, memory: '256Mi', cpu: 0.5, scale: 2, secrets: ['JWT_KEY'] },
      },
    })
    expect(secrets).toEqual([{ app: 'web', name: 'SECRET_KEY_BASE' }, { app: 'web', name: 'SMTP_PASSWORD' }, { app: 'api', name: 'JWT_KEY' }])
    expect(text).not.toContain('hunter')
    expect(JSON.stringify(read(rails))).not.toMatch(/hunter|0123456789abcdef/)
    expect(found(rails)).toEqual([
      '11 otherwise: services.web.environment.DATABASE_URL',
      '12 left out: services.web.environment.REDIS_URL',
      '13 otherwise: services.web.environment.API_URL',
      '14 left out: services.web.environment.SECRET_KEY_BASE',
      '17 left out: services.web.environment.SMTP_PASSWORD',
      '27 left out: services.web.volumes',
      '28 otherwise: services.migrate',
      '32 otherwise: services.worker',
      '35 left out: services.worker.environment',
      '37 left out: services.api.build.args.NPM_TOKEN',
      '37 left out: services.api.build.target',
      '42 left out: services.api.env_file',
      '43 otherwise: services.api.secrets.jwt_key',
      '44 otherwise: services.db',
      '48 left out: services.redis',
      '51 left out: networks',
    ])
    expect(read(rails).findings.find(({ what }) => what.endsWith('jwt_key'))?.instead).toContain('secret set api JWT_KEY --from-file ./jwt.pem')
  })

  test('of finished images, in the long forms', () => {
    const { manifest, findings } = read(`
services:
  Front_End:
    image: ghcr.io/acme/front:1.2
    ports: [{ target: 80, published: "8080" }, { target: 443, published: "8443" }, "5000-5005:5000-5005/udp"]
    environment: ["MODE=live", "TOKEN", "PORT=80"]
    volumes: [{ type: volume, source: cache, target: /cache }, { type: bind, source: ./x, target: /x }, /anonymous]
    labels: { traefik.enable: "true" }
    x-team: front
`)
    expect(manifest).toEqual({ project: 'shop', apps: { 'front-end': { image: 'ghcr.io/acme/front:1.2', port: 80, volumes: { cache: '/cache' }, env: { MODE: 'live' }, secrets: ['TOKEN'] } } })
    expect(findings.map(({ what }) => what.replace('services.Front_End.', ''))).toEqual(['Front_End', 'ports', 'ports', 'environment.TOKEN', 'environment.PORT', 'volumes', 'volumes', 'labels'])
  })

  test('with two apps on one database', () => {
    const { manifest } = read('services: { a: { build: ./a, ports: [1000], depends_on: [pg] }, b: { build: "https://github.com/acme/b.git#main:app", ports: [2000], environment: { DB: "postgresql://pg:5432/x" } }, pg: { image: "bitnami/postgresql:16" } }')
    expect(manifest.apps).toEqual({ a: { source: './a', port: 1000, database: 'postgres' }, b: { source: { git: 'https://github.com/acme/b.git', ref: 'main', path: 'app' }, port: 2000, database: { from: 'a' } } })
  })

  test('writes no command that holds a secret', () => {
    const { text, findings } = read('services: { a: { build: ./a, ports: [1000], command: "serve --password hunter2" } }')
    expect(text).not.toContain('hunter2')
    expect(findings).toMatchObject([{ kind: 'left out', what: 'a.command' }])
  })

  test('never comes to a manifest that Pilot would refuse', () => {
    const { manifest, findings } = read('services: { a: { build: ./a, ports: [99999], mem_limit: 1m, environment: { "BAD-NAME": "1" } } }')
    expect(manifest).toEqual({ project: 'shop', apps: { a: { source: './a' } } })
    expect(findings.map(({ what }) => what).toSorted()).toEqual(['a.memory', 'a.port', 'services.a.environment.BAD-NAME'])
  })

  test.each([
    ['services:\n  a: [', /^compose.yaml:2:\d+: /],
    ['- a', /holds no keys/],
    ['version: "3"', /has no services/],
    ['services: { db: { image: postgres } }', /no service that could be an app/],
  ])('%j is refused', (text, message) => {
    try {
      read(text)
      expect.fail('it was read')
    } catch (error) {
      expect(isPilotError(error) && error.message).toMatch(message)
    }
  })
})
