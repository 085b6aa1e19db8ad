import { isPilotError, PilotError, type ImageReference } from '@pilot/core'
import { loginFor } from '../engine/credentials.ts'
import type { Engine } from '../engine/engine.ts'
import { engineError, engineText } from '../engine/errors.ts'
import { wrongArchitecture } from './kept-image.ts'

interface Pull {
  readonly engine: Engine
  readonly reference: ImageReference
  readonly image: string
  readonly title: string
  readonly signal: AbortSignal
  log(line: string): void
}

/** Pulls through the engine, with the user's own login for that registry. Closing the connection ends it. Throws IMAGE_UNAVAILABLE, WRONG_ARCHITECTURE. */
export async function pullImage(pull: Pull): Promise<void> {
  const { engine, reference, image, signal, log } = pull
  signal.throwIfAborted()
  log(`Pulling ${image}`)
  const authconfig = await loginFor(reference.registry)
  const failed = (error: unknown): Error => {
    signal.throwIfAborted()
    return pullError(error, { ...pull, hasLogin: authconfig !== undefined })
  }
  const response = (await engine.docker
    .createImage({ fromImage: reference.name, tag: reference.digest ?? reference.tag ?? 'latest', ...(authconfig ? { authconfig } : {}), abortSignal: signal })
    .catch((error: unknown) => {
      throw failed(error)
    })) as NodeJS.ReadableStream & { destroy(): void }
  const stop = (): void => response.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const message of messagesOf(response)) {
      if (message.error !== undefined) throw new Error(message.errorDetail?.message ?? message.error)
      if (message.status !== undefined && message.progressDetail?.total === undefined) log(message.id === undefined ? message.status : `${message.id}: ${message.status}`)
    }
    signal.throwIfAborted()
  } catch (error) {
    throw failed(error)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

interface PullMessage {
  readonly status?: string
  readonly id?: string
  readonly progressDetail?: { readonly total?: number }
  readonly error?: string
  readonly errorDetail?: { readonly message?: string }
}

/** One JSON document per line; chunks may end anywhere. */
async function* messagesOf(response: NodeJS.ReadableStream): AsyncIterable<PullMessage> {
  let rest = ''
  response.setEncoding('utf8')
  for await (const chunk of response) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as PullMessage
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as PullMessage
}

/** Engines and registries tell the reason in words only; the patterns cover Docker's, containerd's and Podman's. */
function pullError(error: unknown, { engine, reference, image, title, hasLogin }: Pull & { readonly hasLogin: boolean }): Error {
  if (isPilotError(error)) return error
  const { code } = error as { readonly code?: string }
  if (code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'EACCES') return engineError(error, `The image ${image}`)
  const reason = engineText(error)
  const registry = reference.registry ?? 'Docker Hub'
  const unavailable = (what: string, suggestion: string): PilotError => new PilotError('IMAGE_UNAVAILABLE', `The image ${image} of ${title} ${what}`, { reason, suggestion, details: { image, registry }, cause: error })
  if (/no matching manifest|does not match the specified platform|no match for platform/i.test(reason)) return wrongArchitecture({ title, reason, architecture: engine.architecture, cause: error })
  if (/no space left on device/i.test(reason)) return engineError(error, `The image ${image}`)
  if (/verification failed for digest|digest mismatch|unexpected digest|does not match digest|failed size validation|filesystem layer verification failed/i.test(reason)) {
    return unavailable('is not what its digest says', `What ${registry} sent is damaged or was changed on the way, and was not used. Check the digest, and what stands between this machine and the registry.`)
  }
  if (/unauthorized|authentication required|no basic auth|access denied|access is denied|denied:|forbidden|may require 'docker login'/i.test(reason)) {
    const login = `\`docker login${reference.registry === undefined ? '' : ` ${reference.registry}`}\``
    return unavailable(`is refused by ${registry}`, hasLogin ? `The login that this user has there does not reach it: ${login} with another one, or check the name.` : `Log in there with ${login}, or check the name: registries tell a stranger the same of what does not exist.`)
  }
  if (/not found|manifest unknown|name unknown|does not exist|name invalid/i.test(reason)) return unavailable(`is not in ${registry}`, 'Check its name and its tag or digest.')
  if (/connection refused|no such host|i\/o timeout|timeout|no route to host|network is unreachable|TLS|x509|certificate|EOF|server gave HTTP response/i.test(reason)) {
    return unavailable(`cannot be pulled: ${registry} does not answer`, 'Check that this machine reaches it. An image that is on this machine under that name is used without asking anybody.')
  }
  return unavailable('cannot be pulled', 'See the reason; `docker pull` tells the same.')
}
