import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, it } from 'vitest'
import { ref } from '../provider/value.ts'
import { defineProviderConformance } from './conformance.ts'
import { defineFakeProvider, startFakeCloud } from './fake-cloud/index.ts'

const network = { key: 'network', kind: 'fake/network', inputs: {} }
const server = { key: 'server', kind: 'fake/server', inputs: { network: ref('network').output('id') } }

/** A cloud of another process, with kinds of all three identities and a list that lags. */
defineProviderConformance(
  { describe, it, afterAll },
  {
    provider: defineFakeProvider({ consistencyMs: 300 }),
    async setUp() {
      const [cloud, home] = [await startFakeCloud(), await mkdtemp(join(tmpdir(), 'pilot-fake-'))]
      await cloud.configure({ consistencyMs: 200 })
      return {
        settings: { url: cloud.url },
        home,
        async tearDown() {
          await cloud.stop()
          await rm(home, { recursive: true })
        },
      }
    },
    samples: [
      { kind: 'fake/network', graph: () => [network] },
      { kind: 'fake/volume', graph: () => [{ key: 'volume/data', kind: 'fake/volume', inputs: {} }] },
      { kind: 'fake/server', graph: () => [network, server], change: () => ({ size: 2 }) },
      { kind: 'fake/database', graph: ({ secret }) => [network, { key: 'database', kind: 'fake/database', inputs: { network: ref('network').output('id'), password: secret } }], change: () => ({ sizeGb: 20 }) },
      { kind: 'fake/rule', graph: ({ unique }) => [network, server, { key: 'rule', kind: 'fake/rule', inputs: { slot: unique, target: ref('server').output('id') } }], change: () => ({ weight: 10 }) },
      {
        kind: 'fake/deployment',
        graph: () => [network, { key: 'deployment/a/container', kind: 'fake/deployment', inputs: { network: ref('network').output('id'), deployment: 'a', digest: 'sha256:1', env: { LOG: 'info' }, port: 8080, memoryBytes: 1, cpu: 1, instances: 1 } }],
      },
      ...['fake/worker', 'fake/task'].map((kind) => ({
        kind,
        graph: () => [network, { key: 'deployment/a/worker/mail/0', kind, inputs: { network: ref('network').output('id'), deployment: 'a', digest: 'sha256:1', command: ['work'], env: { LOG: 'info' }, memoryBytes: 1, cpu: 1 } }],
        fails: () => ({ command: ['fail'] }),
      })),
      { kind: 'fake/traffic', graph: ({ unique }) => [{ key: 'traffic', kind: 'fake/traffic', inputs: { hostLabel: unique, weights: [], domains: [] } }], change: () => ({ domains: ['shop.example'] }) },
    ],
  },
)
