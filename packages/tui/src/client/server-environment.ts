import type { Environment } from '../cli/terminal.ts'

/**
 * What the server needs of this shell: where programs are, how Docker is reached, and what builds need to reach registries. The
 * rest of it is none of its business. Addresses of proxies and registries may hold passwords: what is kept of this is sealed.
 */
export function serverEnvironment(env: Environment): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && passed.some((names) => names.test(entry[0]))))
}

const passed: readonly RegExp[] = [
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TMPDIR|XDG_RUNTIME_DIR|XDG_CONFIG_HOME)$/,
  /^(DOCKER_\w+|CONTAINER_HOST|BUILDX_\w+)$/,
  /^(SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE)$/,
  /^(https?|no|all)_proxy$/i,
  // Logins stand in .npmrc, which builds read too.
  /^npm_config_(registry|cafile|proxy|https_proxy|noproxy|strict_ssl)$/i,
  /^(PIP|UV)_\w+$/,
  /^(GOPROXY|GOFLAGS|GOSUMDB|GONOSUMDB|GONOSUMCHECK|GONOPROXY|GOPRIVATE|GOTOOLCHAIN)$/,
  /^PILOT_RUNNER(_CONCURRENCY)?$/,
]
