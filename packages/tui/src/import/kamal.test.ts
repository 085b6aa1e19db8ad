import { isPilotError } from '@pilot/core/errors'
import { describe, expect, test } from 'vitest'
import { importKamal } from './kamal.ts'

const read = (text: string) => importKamal({ text, file: 'deploy.yml', project: 'shop' })

const rails = `
service: shop
image: acme/shop
servers:
  web:
    hosts: [192.168.0.1, { 192.168.0.2: eu }]
    options: { memory: 2g, cpus: 1.5, add-host: "x:1" }
  job:
    hosts: [192.168.0.3]
    cmd: bin/jobs start
    env: { clear: { QUEUES: all } }
proxy: { ssl: true, host: shop.acme.dev, app_port: 3000, healthcheck: { path: /health, interval: 3 }, response_timeout: 10 }
registry: { username: acme, password: [KAMAL_REGISTRY_PASSWORD] }
env:
  clear:
    RAILS_LOG_LEVEL: info
    DB_HOST: shop-db
    REDIS_URL: redis://shop-redis:6379/1
    API_TOKEN: hunter2hunter2
    VERSION: 1.10
  secret: [RAILS_MASTER_KEY, "SMTP_PASSWORD:MAIL_PASSWORD", DATABASE_URL]
volumes: ["storage:/rails/storage", "/var/log/shop:/rails/log"]
asset_path: /rails/public/assets
builder: { arch: amd64, dockerfile: Dockerfile.production, args: { RUBY_VERSION: 3.4.1 }, cache: { type: gha } }
aliases:
  console: app exec --interactive --reuse "bin/rails console"
  logs: app logs -f
accessories:
  db: { image: "postgres:16", host: 192.168.0.4, port: "127.0.0.1:5432:5432", env: { secret: [POSTGRES_PASSWORD] } }
  redis: { image: "valkey/valkey:8", roles: [web] }
retain_containers: 3
deploy_timeout: 90
`

describe("Kamal's deploy.yml", () => {
  test('of a Rails app with jobs, database and cache', () => {
    const { manifest, findings, secrets } = read(rails)
    expect(manifest).toEqual({
      project: 'shop',
      apps: {
        web: {
          source: '.',
          build: { dockerfile: 'Dockerfile.production', args: { RUBY_VERSION: '3.4.1' } },
          port: 3000,
          health: { path: '/health', interval: '3s', grace: '90s' },
          memory: '2Gi',
          cpu: 1.5,
          processes: { job: 'bin/jobs start' },
          database: 'postgres',
          volumes: { storage: '/rails/storage' },
          env: { RAILS_LOG_LEVEL: 'info', VERSION: '1.10' },
          secrets: ['API_TOKEN', 'RAILS_MASTER_KEY', 'SMTP_PASSWORD'],
          domains: ['shop.acme.dev'],
        },
      },
    })
    expect(secrets.map(({ name }) => name)).toEqual(['API_TOKEN', 'RAILS_MASTER_KEY', 'SMTP_PASSWORD'])
    expect(JSON.stringify(read(rails))).not.toContain('hunter2')
    expect(findings.map(({ line, kind, what }) => `${line} ${kind}: ${what}`)).toEqual([
      '4 otherwise: servers',
      '7 left out: servers.web.options.add-host',
      '11 left out: servers.job.env',
      '12 left out: proxy.response_timeout',
      '13 left out: registry',
      '17 otherwise: env.clear.DB_HOST',
      '18 left out: env.clear.REDIS_URL',
      '19 left out: env.clear.API_TOKEN',
      '21 otherwise: env.secret.RAILS_MASTER_KEY',
      '21 otherwise: env.secret.SMTP_PASSWORD',
      '21 otherwise: env.secret.DATABASE_URL',
      '22 left out: volumes',
      '23 left out: asset_path',
      '24 left out: builder.cache',
      '26 left out: aliases.console',
      '27 left out: aliases.logs',
      '29 otherwise: accessories.db',
      '30 left out: accessories.redis',
    ])
    expect(findings.find(({ what }) => what === 'aliases.console')?.instead).toContain('`run web -- bin/rails console`')
    expect(findings.find(({ what }) => what === 'env.secret.SMTP_PASSWORD')?.instead).toContain('.kamal/secrets as MAIL_PASSWORD')
  })

  test('in its shortest form, with Ruby in it', () => {
    const { manifest, findings } = read('service: shop\nimage: acme/shop\n<% require "x" %>\nservers:\n  - <%= ENV["HOST"] %>\nenv:\n  MODE: live\n  KEY_FILE: <%= x %>\n')
    expect(manifest).toEqual({ project: 'shop', apps: { web: { source: '.', port: 80, health: '/up', env: { MODE: 'live' } } } })
    expect(findings.filter(({ what }) => what === '<% … %>').map(({ line }) => line)).toEqual([3, 5, 8])
  })

  test('of Kamal 1', () => {
    const { manifest, findings } = read('service: shop\nservers: [a]\ntraefik: { args: {} }\nhealthcheck: { path: /ok, port: 4000 }')
    expect(manifest.apps).toEqual({ web: { source: '.', port: 4000, health: '/ok' } })
    expect(findings.map(({ what }) => what)).toEqual(['servers', 'traefik'])
  })

  test.each([
    ['a: b', /neither service nor servers/],
    ['service: [', /^deploy.yml:1:/],
  ])('%j is refused', (text, message) => {
    try {
      read(text)
      expect.fail('it was read')
    } catch (error) {
      expect(isPilotError(error) && error.message).toMatch(message)
    }
  })
})
