import { defineProvider, ref, type AnyProvider } from '@pilot/core'
import fakeProvider from './fake-provider.ts'

/** The fake cloud with a platform of several parts, so that its setup can be interrupted between them. */
export default defineProvider({
  ...fakeProvider,
  name: 'parts',
  async connect(context) {
    const network = ref('network').output('id')
    const resources = [
      { key: 'network', kind: 'fake/network', inputs: {} },
      { key: 'server', kind: 'fake/server', inputs: { network, image: 'base' } },
      { key: 'rule', kind: 'fake/rule', inputs: { slot: `port-${context.platformId}`, target: ref('server').output('id') } },
    ]
    return { ...(await fakeProvider.connect(context as never)), platform: () => ({ resources, outputs: { network } }) }
  },
}) as AnyProvider
