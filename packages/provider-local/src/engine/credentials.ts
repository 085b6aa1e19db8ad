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
