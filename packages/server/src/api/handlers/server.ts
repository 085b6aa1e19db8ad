import { isPilotError, listPlatforms, type Finding } from '@pilot/core'
import type { Doctor, Provider } from '../../contract/server.ts'
import { apiVersion } from '../../contract/version.ts'
import { countJobs } from '../../jobs/queue.ts'
import { addProvider } from '../../providers/add.ts'
import { settingsSchema } from '../../platforms/settings.ts'
import type { InstalledProvider } from '../../providers/installed.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'

/** The server itself, and what is installed on its machine. */
export function serverHandlers({ db, home, serverId, providers, facts, shutdown }: Services) {
  return {
    async info() {
      return {
        serverId,
        ...facts,
        api: apiVersion,
        pid: process.pid,
        home: home.dir,
        uptimeMs: Date.now() - Date.parse(facts.startedAt),
        memoryBytes: process.memoryUsage.rss(),
        jobs: await countJobs(db),
      }
    },

    async shutdown({ body: { wait } }) {
      // After the answer has left.
      setImmediate(() => shutdown({ wait }))
      return { done: true as const }
    },

    async doctor({ signal }) {
      const installed = await providers.list()
      const found = await Promise.all(installed.filter(({ unusable }) => unusable === undefined).map(async (provider) => (await findingsOf(provider, signal)).map((finding) => ({ ...finding, about: provider.name }))))
      const broken = installed.flatMap(({ name, package: packageName, unusable }) =>
        unusable === undefined ? [] : [{ id: `provider.${name}`, status: 'problem' as const, title: `The provider ${packageName} cannot be used: ${unusable}`, fix: `Install a version that fits: \`provider add ${packageName}@VERSION\`.`, about: name }],
      )
      return { findings: [{ id: 'server', status: 'ok' as const, title: `The server ${facts.version} runs (process ${process.pid})`, about: 'server' }, ...found.flat(), ...broken] } satisfies Doctor
    },

    async providers({ query: { check }, signal }) {
      const all = await providers.list()
      return { providers: await Promise.all(all.map((provider) => view(provider, check === true, signal))) }
    },

    async addProvider({ body, signal }) {
      const { installed, permissions, replaces } = await addProvider({ home: home.dir, spec: body.package, signal })
      return { provider: await view(installed, false, signal), ...(permissions === undefined ? {} : { permissions: [...permissions] }), ...(replaces === undefined ? {} : { replaces }) }
    },
  } satisfies Partial<Handlers>

  async function view(installed: InstalledProvider, check: boolean, signal: AbortSignal): Promise<Provider> {
    if (installed.unusable !== undefined) return { ...installed, title: installed.name, unusable: installed.unusable }
    try {
      const { provider } = await providers.load(installed.name)
      return { ...installed, title: provider.title, settings: settingsSchema(provider), ...(check ? { findings: await findingsOf(installed, signal) } : {}) }
    } catch (error) {
      if (!isPilotError(error)) throw error
      return { ...installed, title: installed.name, unusable: error.reason ?? error.message }
    }
  }

  /** With the settings of the platform that it runs, where there is one; a check that fails is itself a finding. */
  async function findingsOf({ name }: InstalledProvider, signal: AbortSignal): Promise<Finding[]> {
    try {
      const { provider } = await providers.load(name)
      const platform = (await listPlatforms(home.dir)).find((candidate) => candidate.provider.name === name)
      const settings = platform === undefined ? undefined : provider.settings.safeParse(platform.settings).data
      return [...(await provider.check({ home: home.dir, signal, ...(settings === undefined ? {} : { settings }) }))]
    } catch (error) {
      return [{ id: `${name}.check`, status: 'problem', title: `${name} could not be checked: ${(error as Error).message}`, fix: 'See `server logs`.' }]
    }
  }
}
