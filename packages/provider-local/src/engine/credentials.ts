import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

export type RegistryCredentials = Record<string, { username: string; password: string }>

interface DockerConfig {
  readonly auths?: Readonly<Record<string, { readonly auth?: string }>>
  readonly credsStore?: string
  readonly credHelpers?: Readonly<Record<string, string>>
}

/** What `docker login` left on this machine, so that the engine pulls private base images: read, never stored. A helper that fails counts as no login. */
export async function registryCredentials(folder: string = process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker')): Promise<RegistryCredentials> {
  const config = await readConfig(folder)
  const found: RegistryCredentials = {}
  for (const [registry, { auth }] of Object.entries(config.auths ?? {})) {
    const [username, ...password] = auth ? Buffer.from(auth, 'base64').toString('utf8').split(':') : []
    if (username && password.length > 0) found[registry] = { username, password: password.join(':') }
  }
  const helpers: [string, string][] = [...Object.entries(config.credHelpers ?? {}), ...(config.credsStore ? Object.keys(config.auths ?? {}).map((registry): [string, string] => [registry, config.credsStore!]) : [])]
  await Promise.all(
    helpers.map(async ([registry, helper]) => {
      const answer = await askHelper(helper, registry)
      if (answer) found[registry] = answer
    }),
  )
  return found
}

export type RegistryLogin = { readonly username: string; readonly password: string; readonly serveraddress: string } | { readonly identitytoken: string; readonly serveraddress: string }

/** The login for one registry, as the engine's API takes it; `undefined` is Docker Hub, which is known by an address of its own. */
export async function loginFor(registry: string | undefined, folder?: string): Promise<RegistryLogin | undefined> {
  const all = await registryCredentials(folder)
  const names = registry === undefined || registry === 'docker.io' ? ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io'] : [registry, `https://${registry}`, `http://${registry}`, `https://${registry}/v1/`, `https://${registry}/v2/`]
  const serveraddress = names.find((name) => all[name] !== undefined)
  if (serveraddress === undefined) return undefined
  const { username, password } = all[serveraddress]!
  // A helper that has a token in place of a password says so this way.
  return username === '<token>' ? { identitytoken: password, serveraddress } : { username, password, serveraddress }
}

async function askHelper(helper: string, registry: string): Promise<{ username: string; password: string } | undefined> {
  if (!/^[\w.-]+$/.test(helper)) return undefined
  try {
    const { execa } = await import('execa')
    const { stdout } = await execa(`docker-credential-${helper}`, ['get'], { input: registry, timeout: 5_000 })
    const { Username, Secret } = JSON.parse(stdout) as { Username: string; Secret: string }
    return { username: Username, password: Secret }
  } catch {
    return undefined
  }
}

async function readConfig(folder: string): Promise<DockerConfig> {
  try {
    return JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as DockerConfig
  } catch {
    return {}
  }
}
