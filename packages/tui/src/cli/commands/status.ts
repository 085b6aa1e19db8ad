import { appArgument, defineCommand, flag } from '../command.ts'
import { statusText } from '../status-text.ts'
import { findTarget, refuseUnknownApp } from '../target.ts'

export const status = defineCommand({
  name: 'status',
  summary: 'Show what runs where',
  description: ['Inside a project its apps, elsewhere everything on the platforms of this home.'],
  arguments: [appArgument],
  options: [{ flags: '--all', summary: 'Every project of this home.' }],
  examples: [
    { run: 'status', summary: 'the apps of this project' },
    { run: 'status --all --json', summary: 'everything, for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const { app, ...query } = flag(options, 'all') ? { app: undefined } : await findTarget(context, args[0])
    const client = await context.client()
    const platform = context.globals.platform
    const all = await client.request('status', { query: { ...query, ...(platform === undefined ? {} : { platform }) }, signal: context.signal })
    const found = app === undefined ? all : { ...all, apps: all.apps.filter(({ status }) => status.app.app === app), jobs: all.jobs.filter((job) => job.app?.app === app) }
    if (app !== undefined && found.apps.length + found.jobs.length === 0) await refuseUnknownApp(context, app)
    await context.output.answer(found, () => statusText(found, { style: context.output.out, form: context.form, now: Date.now(), ...('project' in query && query.project !== undefined ? { project: query.project } : {}) }))
  },
})
