/** Ships a version of an app in a process of its own, which a test kills in the middle. One argument, as JSON. */
import { Readable } from 'node:stream'
import { openPlatform } from '../platform/open-platform.ts'
import { findPlatform } from '../platform/registry.ts'
import { definition } from '../testing/definition.ts'
import { defineFakeProvider } from '../testing/fake-cloud/index.ts'
import { contentId } from './ledger.ts'
import { up } from './up.ts'

const { home, text, changes } = JSON.parse(process.argv[2]!) as { home: string; text: string; changes: Parameters<typeof definition>[1] }
const platform = await openPlatform({ home, platform: await findPlatform(home), provider: defineFakeProvider() })
const source = { record: { digest: `sha256:${contentId(text, 40)}` }, facts: { files: ['index.js'], text: () => text }, open: async () => Readable.from([text]) }
await up(platform.context({ by: 'ada', managedBy: 'server-1' }), { app: definition('api', changes), source })
process.exit(0)
