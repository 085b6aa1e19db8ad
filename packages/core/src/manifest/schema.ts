import * as z from 'zod'
import { imageRule } from './image-reference.ts'
import { parsePercent } from './units.ts'

/**
 * The manifest, key by key. `describe` texts stand in the published JSON Schema and in editors; `error` texts complete the
 * sentence "write …" and are the valid forms that an error names. No transforms here: `resolveApps` turns text into numbers.
 */
const write = (valid: string) => ({ error: valid })

export const nameRule = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/
const variableRule = /^[A-Za-z_][A-Za-z0-9_]*$/
const sizeRule = /^(?:0|[1-9]\d*)(?:\.\d+)?(?:Ki|Mi|Gi|k|K|M|G)?$/
/** Never 0: a check, a step or a time limit of no time would spin or end at once. */
const durationRule = /^(?=.*[1-9])\d+(?:\.\d+)?(?:ms|s|m|h)$/
const hostRule = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/

const name = z.string(write('a name of a-z, 0-9 and -, at most 40 characters')).regex(nameRule, write('a name of a-z, 0-9 and -, at most 40 characters'))
const variable = z.string(write('a variable name such as LOG_LEVEL')).regex(variableRule, write('a variable name such as LOG_LEVEL'))
const text = (valid: string) => z.string(write(valid)).min(1, write(valid))
const path = text('a path')
const shell = text('a command such as npm run worker')
/** Longer ones start no program, see lifecycle/variables.ts. */
const isVariableValue = (value: string): boolean => value.length < 130_000 && !value.includes('\0')
const values = (what: string) => z.record(variable, z.union([z.string().refine(isVariableValue, write('text of 127 KB at most, without zero bytes')), z.number(), z.boolean()], write('text, a number, true or false')), write(what))
const relative = z
  .string(write('a path inside the source'))
  .min(1, write('a path inside the source'))
  .regex(/^(?!\/)(?!.*(?:^|\/)\.\.(?:\/|$))/, write('a path inside the source, without a leading / and without ..'))
const volumePath = z
  .string(write('an absolute path such as /var/lib/app'))
  .regex(/^(?:\/(?!\.{1,2}(?:\/|$))[^/\s:,]+)+$/, write('an absolute path such as /var/lib/app'))
  .regex(/^(?!\/(?:proc|sys|dev)(?:\/|$))/, write('a path outside of /proc, /sys and /dev'))
const duration = z.string(write('a duration such as 500ms, 30s or 2m')).regex(durationRule, write('a duration such as 500ms, 30s or 2m'))
const schedule = z.string(write('five cron fields such as "0 6 * * *", or @daily')).min(1, write('five cron fields such as "0 6 * * *", or @daily')).describe('Five cron fields (minute, hour, day of the month, month, day of the week), or @hourly, @daily, @weekly, @monthly, @yearly.')
const timeZone = z.string(write('a time zone such as Europe/Berlin')).describe('The time zone whose clock the schedule means, such as Europe/Berlin. Default: UTC.')
const count = (valid: string) => z.int(write(valid)).min(0, write(valid)).max(100, write(valid))

/** pack reads folders and archives of the machine that builds: those of the source may be named, and no others. */
export const buildpackRule = /^(?!\/|-|file:|~)(?!.*(?:^|\/)\.\.(?:\/|$))[^\s,\\]+$/i
const aBuildpack = write('a buildpack such as heroku/nodejs@4.1.4, docker://IMAGE, or a folder of the source such as ./buildpacks/mine')
const buildpack = z.string(aBuildpack).regex(buildpackRule, aBuildpack)

const build = z
  .union([
    relative,
    z.strictObject(
      {
        dockerfile: relative.optional().describe('The Dockerfile, relative to the source. Default: Dockerfile.'),
        buildpack: z.literal(true, write('true')).optional().describe('Built by Cloud Native Buildpacks, as `build: buildpack` says it. `builder` and `buildpacks` say so too.'),
        builder: z.string(write('an image such as heroku/builder:24')).regex(imageRule, write('an image such as heroku/builder:24')).optional().describe('The image with the buildpacks that build it. Default: project.toml, then `pack config default-builder`, then heroku/builder:24.'),
        buildpacks: z.array(buildpack).min(1, write('at least one buildpack')).max(50, write('at most 50 buildpacks')).optional().describe('These buildpacks, in this order, in place of those that the builder finds fitting.'),
        args: values('build arguments such as { VERSION: "3" }').optional().describe('Build arguments, with buildpacks variables of the build. They stay readable in the image: never secrets.'),
      },
      write('a Dockerfile, buildpack, or { dockerfile, args }'),
    ).refine((build) => build.dockerfile === undefined || !(build.buildpack || build.builder || build.buildpacks), write('a Dockerfile, or buildpacks: not both')),
  ], write('a Dockerfile such as deploy/Dockerfile, buildpack, or { dockerfile, args }'))
  .describe('How the source becomes something that runs: the path of a Dockerfile, or `buildpack`. Default: detected.')

const health = z
  .union([
    z.string(write('a path such as /healthz')).regex(/^\/[^\s]*$/, write('a path that begins with /, such as /healthz')),
    z.strictObject(
      {
        path: z.string(write('a path such as /healthz')).regex(/^\/[^\s]*$/, write('a path that begins with /, such as /healthz')).describe('What is asked; any answer below 400 is healthy.'),
        interval: duration.optional().describe('Time between two checks. Default: 1s.'),
        timeout: duration.optional().describe('How long one answer may take. Default: 5s.'),
        grace: duration.optional().describe('How long the app may take to become healthy in all. Default: 60s.'),
      },
      write('a path such as /healthz, or { path, interval, timeout, grace }'),
    ),
  ], write('a path such as /healthz, or { path, interval, timeout, grace }'))
  .describe('The path that says whether the app works: healthy below 400, within 60 seconds. Default: any answer below 500 on /.')

const scale = z
  .union([
    count('a number of instances from 0 to 100'),
    z.strictObject(
      {
        min: count('a number of instances from 0 to 100').optional().describe('Instances that always run. Default: 1.'),
        max: count('a number of instances from 1 to 100').min(1, write('a number of instances from 1 to 100')).optional().describe('The most that load may start. Default: min.'),
      },
      write('a number, or { min: 1, max: 3 }'),
    ),
  ], write('a number, or { min: 1, max: 3 }'))
  .describe('How many instances run.')

const database = z
  .union([
    z.literal('postgres'),
    z.literal(true),
    z.strictObject(
      {
        type: z.literal('postgres', write('postgres')).optional().describe('The only one there is, and the default.'),
        from: name.optional().describe('The app whose database is shared.'),
        backup: z
          .union([
            schedule,
            z.strictObject(
              {
                schedule,
                timeZone: timeZone.optional(),
                keep: z.int(write('a number of backups from 1 to 1000')).min(1, write('a number of backups from 1 to 1000')).max(1000, write('a number of backups from 1 to 1000')).optional().describe('How many of the newest scheduled backups stay; those made by hand always do. Default: 7.'),
              },
              write('a schedule such as "0 3 * * *", or { schedule, timeZone, keep }'),
            ),
          ], write('a schedule such as "0 3 * * *", or { schedule, timeZone, keep }'))
          .optional()
          .describe('When the database is backed up: a schedule as of `cron`, or { schedule, timeZone, keep }. One whose time passed while Pilot was off is made up for, once.'),
      },
      write('postgres, true, { backup: "0 3 * * *" }, or { from: other-app }'),
    ),
  ], write('postgres, true, { backup: "0 3 * * *" }, or { from: other-app }'))
  .describe('A PostgreSQL database and a user of its own, given as DATABASE_URL; { backup: … } backs it up on a schedule; { from: other-app } is that app\'s database, with a user of its own.')

const aShare = write('a share such as 10 or 10%, from 1 to 99')
const share = z.union([z.int(aShare).min(1, aShare).max(99, aShare), z.string(aShare).regex(/^[1-9]\d?%$/, aShare)], aShare)
const anErrorShare = write('a share of requests such as 1%')
const canary = z
  .strictObject(
    {
      steps: z.array(share, write('shares such as [10, 50]')).min(1, write('shares such as [10, 50]')).max(20, write('at most 20 shares')).refine((steps) => steps.every((step, index) => index === 0 || parsePercent(step) > parsePercent(steps[index - 1]!)), write('shares that ascend, such as [10, 50]')).describe('Shares of the traffic in percent, ascending. All of it follows the last.'),
      every: duration.optional().describe('How long each step lasts. Default: 5m.'),
      'max-errors': z.union([z.number(anErrorShare).min(0, anErrorShare).max(100, anErrorShare), z.string(anErrorShare).regex(/^(?:100|\d{1,2}(?:\.\d+)?)%$/, anErrorShare)], anErrorShare).optional().describe('More requests than that which fail (5xx, or no answer), and much more often than with the version before, give the traffic back. Default: 1%.'),
      'min-requests': z.int(write('a number of requests, at least 1')).min(1, write('a number of requests, at least 1')).optional().describe('Fewer requests in a step are no verdict. Default: 20.'),
    },
    write('{ steps: [10, 50], every: 5m, max-errors: 1% }'),
  )
  .describe('How `up` releases a new version when an older one has the traffic: a share first, then more, and back when it does badly. Default: all at once.')

const handler = z
  .string(write('a handler such as src/index.handler'))
  .regex(/^(?!\/)(?!.*(?:^|\/)\.\.(?:\/|$))[\w@./-]*[\w-](?:\.[A-Za-z_$][\w$]*)+$/, write('a handler such as src/index.handler: a file of the source without its ending, a dot, and what it exports'))

const called = z
  .union([
    handler,
    z.strictObject(
      {
        handler: handler.describe('The file without its ending, a dot, and what it exports.'),
        timeout: duration.optional().describe('How long it may take for one event, at most 15m. Default: 30s.'),
        queue: z
          .union([
            z.literal(true, write('true, or { batch: 10, retries: 3 }')),
            z.strictObject(
              {
                batch: z.int(write('a number of messages from 1 to 10')).min(1, write('a number of messages from 1 to 10')).max(10, write('a number of messages from 1 to 10')).optional().describe('How many messages one event holds at most. Default: 10.'),
                retries: z.int(write('a number from 0 to 100')).min(0, write('a number from 0 to 100')).max(100, write('a number from 0 to 100')).optional().describe('How often a message that failed is tried again before it is put aside. Default: 3.'),
              },
              write('true, or { batch: 10, retries: 3 }'),
            ),
          ], write('true, or { batch: 10, retries: 3 }'))
          .optional()
          .describe('A queue of its own: apps that use it send to INVOICES_QUEUE_URL (for `invoices`), and it is called with the messages.'),
        http: z.boolean(write('true or false')).optional().describe('Whether HTTP requests reach it. false: only events do, and it has no address. Default: true.'),
      },
      write('a handler such as src/index.handler, or { handler, timeout }'),
    ),
  ], write('a handler such as src/index.handler, or { handler, timeout }'))
  .describe('A function in Node or Python with the signature of AWS Lambda, in place of a program that listens: its handler. `scale` says how many events it handles at once (default 10), `memory` is for each.')

/** What may differ between environments. */
const shape = {
  build: build.optional(),
  command: z
    .union([shell, z.array(text('a word of the command'), write('a list of words')).min(1, write('a list of words'))], write('a command such as node server.js, or a list of words'))
    .optional()
    .describe('What starts the app, instead of what the image or package.json says. A list is run as it is, without a shell.'),
  target: z
    .enum(['container', 'process', 'function', 'static', 'vm'], write('container, process, function, static or vm'))
    .optional()
    .describe('How the app runs. Default: detected.'),
  port: z
    .int(write('a port from 1 to 65535'))
    .min(1, write('a port from 1 to 65535'))
    .max(65_535, write('a port from 1 to 65535'))
    .optional()
    .describe('The port that the app listens on. Default: the only EXPOSE of the image, else 8080. The app finds it in $PORT.'),
  health: health.optional(),
  memory: z
    .union([z.string(write('a size such as 512Mi or 1Gi')).regex(sizeRule, write('a size such as 512Mi or 1Gi')), z.int(write('a size such as 512Mi or 1Gi')).positive(write('a size such as 512Mi or 1Gi'))], write('a size such as 512Mi or 1Gi'))
    .optional()
    .describe('Memory limit of one instance: a number of bytes or with Ki, Mi, Gi. Default: 512Mi. At least 16Mi.'),
  cpu: z.number(write('a number of cores such as 0.25 or 2')).min(0.01, write('a number of cores from 0.01 to 64')).max(64, write('a number of cores from 0.01 to 64')).optional().describe('Cores of one instance. Default: 1.'),
  scale: scale.optional(),
  release: shell.optional().describe('Runs once before a release moves the traffic, with the new version and the environment of the app: migrations. When it fails, the old version stays.'),
  drain: duration.optional().describe('How long open requests, downloads and connections (WebSockets, event streams) of a version may go on when a release, a rollback or `stop` ends it; then it gets SIGTERM. Default: 30s, at most 1h.'),
  canary: canary.optional(),
  processes: z.record(name, shell, write('commands by name, such as { worker: npm run worker }')).optional().describe('More commands that run beside the app, by name: same build, environment and limits, no port and no traffic. `scale: 0` for an app that consists of these alone.'),
  cron: z
    .record(
      name,
      z.strictObject(
        {
          schedule,
          run: shell.optional().describe('The command. A function without it is called, with a scheduled event as EventBridge sends it.'),
          timeZone: timeZone.optional(),
          overlap: z.enum(['skip', 'allow', 'replace'], write('skip, allow or replace')).optional().describe('What happens when the run before still runs: `skip` leaves this one out, `allow` runs both, `replace` ends the earlier one first. Default: skip.'),
          missed: z.enum(['skip', 'once'], write('skip or once')).optional().describe('What happens when its time passed while Pilot or the machine was off or asleep: `skip` waits for the next time, `once` runs once for all of them. Default: skip.'),
          timeout: duration.optional().describe('How long a run may take; then it is ended. Default: 24h.'),
        },
        write('{ schedule: "0 6 * * *", run: npm run report }'),
      ),
      write('jobs by name'),
    )
    .optional()
    .describe('Commands that run on a schedule, by name: same build, environment and limits, from what is live.'),
  database: database.optional(),
  volumes: z
    .record(name, z.union([volumePath, z.strictObject({ path: volumePath.optional().describe('Where containers find it. Default: /volumes/ and its name.'), shared: z.boolean(write('true or false')).optional().describe('Whether several instances, and two versions during a release, may write to it at once. Default: false.') }, write('{ path: /var/lib/app, shared: true }'))], write('a path such as /var/lib/app, or { path, shared }')), write('paths by name, such as { data: /var/lib/app }'))
    .optional()
    .describe('Folders that outlive deployments, by name. The app finds `data` in $VOLUME_DATA, a container at its path too. One version at a time has it, in one instance: a release stops the old one first, unless it is `shared`.'),
  uses: z.array(name, write('a list of apps of this project, such as [mailer]')).optional().describe('Apps of this project that this one calls: opens the path and gives MAILER_URL for `mailer`. Nothing else is reachable.'),
  env: values('values by name, such as { LOG_LEVEL: info }').optional().describe('Variables of the app. `env set` overrides them. Never secrets.'),
  secrets: z.array(variable, write('a list of names such as [JWT_KEY]')).optional().describe('Names of variables whose values come from `secret set`. `up` names those without a value.'),
  domains: z
    .array(z.string(write('a host name such as auth.acme.dev')).regex(hostRule, write('a host name in lower case such as auth.acme.dev, without https:// and path')).refine((host) => !host.endsWith('.localhost'), write('a host name outside of .localhost, where Pilot gives each app its own name')), write('a list of host names such as [auth.acme.dev]'))
    .optional()
    .describe('Host names of production. Another environment writes its own below `environments`.'),
  hooks: z
    .strictObject(
      Object.fromEntries(['build', 'deploy', 'release', 'rollback', 'destroy'].flatMap((phase) => (['before', 'after'] as const).map((when) => [`${when}-${phase}`, shell.optional().describe(`Runs ${when} ${phase}, in a copy of the source.`)]))) as Record<`${'before' | 'after'}-${'build' | 'deploy' | 'release' | 'rollback' | 'destroy'}`, z.ZodOptional<z.ZodString>>,
      write('commands by hook, such as { after-release: ./notify.sh }'),
    )
    .optional()
    .describe('Commands that run around the phases, where Pilot runs, in a copy of the source and with the isolation of a build. One that fails before a phase keeps it from beginning; one that fails after it is a warning.'),
  static: z
    .strictObject(
      {
        output: relative.optional().describe('The folder with the finished files, relative to the source. Default: the source itself, or dist when there is a command.'),
        command: shell.optional().describe('Builds the site.'),
        spa: z.boolean(write('true or false')).optional().describe('Whether unknown paths answer with index.html.'),
      },
      write('{ output: dist, command: npm run build, spa: true }'),
    )
    .optional()
    .describe('A site of files, without a process.'),
  function: called.optional(),
  route: z.string(write('a path such as /api')).regex(/^\/(?:(?!\/)[^\s?#%]*)$/, write('a path that begins with /, such as /api, without ? # %')).optional().describe('The part of a shared host that this app answers. Apps of a project that have a route share one host. The app gets the path whole.'),
}

const override = z.strictObject(shape, write('keys of an app'))

const app = z.strictObject(
  {
    source: z
      .union([
        path,
        z.strictObject(
          {
            git: text('an address such as https://github.com/acme/auth.git').describe('The address of a repository.'),
            ref: text('a branch, tag or commit').optional().describe('Branch, tag or commit. Default: the default branch.'),
            path: relative.optional().describe('A folder in the repository.'),
          },
          write('a folder such as ./auth, or { git, ref, path }'),
        ),
      ], write('a folder such as ./auth, or { git, ref, path }'))
      .optional()
      .describe('Where the source is: a folder relative to the manifest, or a Git repository. Default: the folder of the manifest.'),
    image: text('an image such as ghcr.io/acme/auth@sha256:…')
      .regex(imageRule, write('an image such as redis:7 or ghcr.io/acme/auth@sha256:… (64 hexadecimal digits)'))
      .optional()
      .describe('A finished image instead of a source: a name with a digest, or with a tag, which may move. One of that name on this machine is used, else it is pulled.'),
    ...shape,
    environments: z.record(name, override, write('keys by environment, such as { preview: { scale: 1 } }')).optional().describe('What differs in an environment. Maps (env, processes, …) merge by key, all else replaces.'),
  },
  write('keys of an app, such as { source: . }'),
)

export const manifestSchema = z
  .strictObject(
    {
      project: name.describe('The name of the project, part of addresses: a-z, 0-9 and -, at most 40 characters.'),
      environments: z
        .record(
          name,
          z.strictObject(
            {
              platform: name.optional().describe('The platform that this environment lives on. Default: the only one there is.'),
              protected: z.boolean(write('true or false')).optional().describe('Whether release, rollback, env and destroy want the name typed. Default: true for production on a cloud.'),
            },
            write('{ platform: acme-aws, protected: true }'),
          ),
          write('environments by name'),
        )
        .optional()
        .describe('Environments, and where each lives. `preview` also stands for preview-1, preview-2, …'),
      apps: z.record(name, app, write('apps by name, such as { web: { source: . } }')).refine((apps) => Object.keys(apps).length > 0, write('at least one app')).describe('The apps of the project, by name.'),
    },
    write('a map with project and apps'),
  )
  .describe('pilot.yaml: what a project consists of and how its apps run.')

export type Manifest = z.output<typeof manifestSchema>
export type ManifestApp = z.output<typeof app>
export type ManifestOverride = z.output<typeof override>
