import { ref, template, type DatabaseCapability, type Resource } from '@pilot/core'
import { linkAddresses } from './compute/container.ts'
import { keys } from './compute/keys.ts'
import type { Home } from '@pilot/host'
import { databaseAdministration } from './database-administration.ts'
import { databaseName, databaseUserName } from './ownership.ts'
import { postgresMajor } from './postgres/apps-cluster.ts'

/** Two deployments of an app run side by side during a release, each with its own pool. The cluster takes 200 in all. */
const connectionLimit = 40

/** One database and one user per app and environment. Containers reach it by a link of their own network, processes directly. */
export function databaseCapability({ home, platformId }: { home: Home; platformId: string }): DatabaseCapability {
  return {
    major: postgresMajor,
    administration: databaseAdministration({ home, platformId }),
    database({ app, target, from, appOutputs, password }) {
      const name = databaseName(platformId, from ?? app)
      const own: Resource[] = from ? [] : [{ key: keys.database, kind: 'local/database', inputs: { name } }]
      const user: Resource = {
        key: keys.databaseUser,
        kind: 'local/database-user',
        inputs: { name: databaseUserName(platformId, app), database: from ? name : ref(keys.database).output('name'), password, connectionLimit },
      }
      const hasLink = target === 'container' || from !== undefined
      const link: Resource[] = hasLink ? [{ key: keys.databaseLink, kind: 'local/link', inputs: { ...(target === 'container' ? linkAddresses(appOutputs) : onThisMachine), to: { postgres: true } } }] : []
      const at = hasLink ? keys.databaseLink : keys.database
      const host = ref(at).output('host')
      const port = ref<number>(at).output('port')
      const login = ref(keys.databaseUser).output('name')
      return {
        resources: [...own, user, ...link],
        outputs: {
          host,
          port,
          database: name,
          user: login,
          // The scheme that every library knows, and a word for those that insist on TLS by default: nothing leaves this machine.
          url: template('postgresql://', login, ':', password as never, '@', host, ':', port, `/${name}?sslmode=disable`),
        },
      }
    },
  }
}

const onThisMachine = { listenHost: '127.0.0.1', callHost: '127.0.0.1', allowFrom: [] }
