import type { Settled } from '../../provider/kind.ts'
import type { CloudResource } from './account.ts'
import type { FakeClient } from './client.ts'

export async function settled<O>(client: FakeClient, type: string, { id, signal }: { id: string; signal: AbortSignal }, outputs: (resource: CloudResource) => O): Promise<Settled<O>> {
  const found = await client.get({ type, id, signal })
  if (found === undefined) return { status: 'failed', reason: `${id} no longer exists` }
  if (found.state === 'failed') return { status: 'failed', reason: 'the cloud gave up on it' }
  return found.state === 'ready' ? { status: 'ready', outputs: outputs(found) } : { status: 'pending', retryAfterMs: 20 }
}

export async function deleted(client: FakeClient, type: string, { id, signal, checkpoint }: { id: string; signal: AbortSignal; checkpoint: () => Promise<void> }): Promise<object> {
  await checkpoint()
  await client.delete({ type, id, signal })
  return {}
}
