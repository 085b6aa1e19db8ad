import { isPilotError } from '@pilot/core/errors'
import { describe, expect, test } from 'vitest'
import { importWaypoint } from './waypoint.ts'

const read = (text: string) => importWaypoint({ text, file: 'waypoint.hcl', project: 'shop' })

const acme = `
project = "acme"

variable "log_level" { default = "info" }
variable "jwt" {
  type = string
  sensitive = true
  default = "hunter2hunter2"
}
config { env = { REGION = "eu" } }
runner { enabled = true }

app "auth_api" {
  path = "./auth"
  labels = { team = "core" }
  config {
    env = {
      LOG_LEVEL = var.log_level
      GREETING  = "hello \${var.log_level}"
      JWT_KEY   = var.jwt
      PASSWORD  = dynamic("vault", { path = "x", key = "y" })
      STRIPE    = "sk_live_hunter2hunter2"
      HOST_NAME = "x-\${workspace.name}"
    }
    workspace "staging" { env = {} }
  }
  build {
    use "docker" {
      dockerfile = "deploy/Dockerfile"
      build_args = { NODE = "24", NPM_TOKEN = "hunter3" }
      buildkit = true
      platform = "arm64"
    }
    registry { use "docker" { image = "acme/auth" } }
    hook {
      when = "before"
      command = ["./check.sh", "all of it"]
      on_failure = "continue"
    }
  }
  deploy {
    use "google-cloud-run" {
      project = "acme"
      location = "europe-north1"
      port = 5000
      static_environment = { MODE = "live" }
      capacity {
        memory = 256
        cpu_count = 2
        request_timeout = 300
      }
      auto_scaling { max = 3 }
    }
  }
  release { use "google-cloud-run" {} }
}

app "jobs" {
  build { use "docker-pull" {
    image = "ghcr.io/acme/jobs"
    tag = "3"
  } }
  deploy { use "kubernetes" {
    probe_path = "/healthz"
    replicas = 2
    service_port = var.port
    cpu { limit = "500m" }
    memory { limit = "128Mi" }
    pod { container { name = "x" } }
  } }
}
`

describe('a waypoint.hcl', () => {
  test('with two apps, variables and secrets', async () => {
    const { manifest, findings, secrets } = await read(acme)
    expect(manifest).toEqual({
      project: 'acme',
      apps: {
        'auth-api': {
          source: './auth',
          build: { dockerfile: 'deploy/Dockerfile', args: { NODE: '24' } },
          port: 5000,
          memory: '256Mi',
          cpu: 2,
          scale: { max: 3 },
          env: { REGION: 'eu', LOG_LEVEL: 'info', GREETING: 'hello info', MODE: 'live' },
          secrets: ['JWT_KEY', 'PASSWORD', 'STRIPE', 'HOST_NAME'],
          hooks: { 'before-build': "./check.sh 'all of it'" },
        },
        jobs: { image: 'ghcr.io/acme/jobs:3', health: '/healthz', memory: '128Mi', cpu: 0.5, scale: 2, env: { REGION: 'eu' } },
      },
    })
    expect(secrets).toHaveLength(4)
    expect(JSON.stringify(await read(acme))).not.toContain('hunter')
    expect(findings.map(({ line, kind, what }) => `${line} ${kind}: ${what}`)).toEqual([
      '11 left out: runner',
      '13 otherwise: auth_api',
      '15 left out: app.auth-api.labels',
      '20 left out: config.env.JWT_KEY',
      '21 left out: config.env.PASSWORD',
      '22 left out: config.env.STRIPE',
      '23 left out: config.env.HOST_NAME',
      '25 left out: config.workspace staging',
      '30 left out: build.use docker.build_args.NPM_TOKEN',
      '32 left out: build.use docker.platform',
      '34 otherwise: build.registry',
      '35 left out: build.hook.on_failure',
      '42 otherwise: deploy.use google-cloud-run',
      '50 left out: deploy.use google-cloud-run.capacity.request_timeout',
      '63 otherwise: deploy.use kubernetes',
      '66 left out: deploy.use kubernetes.service_port',
      '69 left out: deploy.use kubernetes.pod.container',
    ])
  })

  test('that builds with buildpacks', async () => {
    const plain = await read('project = "p"\napp "web" { build { use "pack" {} } }')
    expect(plain.manifest.apps).toEqual({ web: { source: '.', build: 'buildpack' } })
    expect(plain.findings.map(({ instead }) => instead).join(), 'what it needs is read here').toMatch(/built by the program `pack`/)

    const { manifest, findings } = await read('project = "p"\napp "web" {\nbuild {\nuse "pack" {\nbuilder = "heroku/builder:24"\nbuildpacks = ["heroku/nodejs"]\nstatic_environment = { BP_NODE_VERSION = "24", API_TOKEN = "c2VjcmV0LXNlY3JldC1zZWNyZXQ" }\nprocess_type = "web"\n}\n}\n}')
    expect(manifest.apps).toEqual({ web: { source: '.', build: { builder: 'heroku/builder:24', buildpacks: ['heroku/nodejs'], args: { BP_NODE_VERSION: '24' } } } })
    expect(findings.map(({ kind, what }) => `${kind}: ${what}`)).toEqual(['otherwise: build.use pack', 'left out: build.use pack.static_environment.API_TOKEN', 'left out: build.use pack.process_type'])
  })

  test.each([
    ['project = "x"', /has no app/],
    ['app "x" {', /^waypoint\.hcl:\d+:\d+: /],
  ])('%j is refused', async (text, message) => {
    const error: unknown = await read(text).catch((error: unknown) => error)
    expect(isPilotError(error) && error.message).toMatch(message)
  })
})
