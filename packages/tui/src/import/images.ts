/** What an image of others is, as far as its name says. */
export type KnownImage = 'postgres' | 'other service' | 'unknown'

/** Of `docker.io/bitnami/redis:7.2` the part `redis`. */
const shortName = (image: string): string => (image.split('@')[0] ?? '').replace(/:[^/]*$/, '').split('/').at(-1) ?? ''

export function knownImage(image: string): KnownImage {
  const name = shortName(image)
  if (postgres.has(name)) return 'postgres'
  return services.has(name) ? 'other service' : 'unknown'
}

const postgres = new Set(['postgres', 'postgresql', 'postgis', 'pgvector', 'timescaledb'])

/** They speak no HTTP, so that the health check of an app would never pass. */
const services = new Set(['redis', 'valkey', 'keydb', 'memcached', 'mysql', 'mariadb', 'percona', 'mongo', 'mongodb', 'rabbitmq', 'nats', 'kafka', 'zookeeper', 'cassandra', 'mosquitto', 'dragonfly'])
