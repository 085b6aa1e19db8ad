import { mergeSamples, type Sample } from '../../metrics/sample.ts'
import { percentile } from '../../metrics/histogram.ts'
import { readSamples } from '../../metrics/store.ts'
import type { Metrics } from '../../contract/metrics.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { placeOf } from './app-place.ts'

export function metricsHandlers(services: Services) {
  return {
    async metrics({ params: app, query: { platform, seconds = 3600 }, signal }) {
      const { name } = await placeOf(services, app, { platform, signal })
      const samples = await readSamples(services.db, { ...app, platform: name }, { since: new Date(Date.now() - seconds * 1000).toISOString() })
      return { ...(samples.length === 0 ? {} : { total: figuresOf(mergeSamples(samples)) }), points: samples.map((sample) => ({ at: sample.at, ...figuresOf(sample) })) }
    },
  } satisfies Partial<Handlers>
}

function figuresOf({ seconds, requests, errors, latency, cpuMs, memoryBytes, instances }: Sample): NonNullable<Metrics['total']> {
  const times = Object.entries({ p50Ms: 0.5, p95Ms: 0.95, p99Ms: 0.99 }).flatMap(([name, share]) => {
    const ms = percentile(latency, share)
    return ms === undefined ? [] : [[name, Math.round(ms * 10) / 10]]
  })
  return { seconds, requests, errors, ...Object.fromEntries(times), ...(cpuMs === undefined || seconds === 0 ? {} : { cpu: Math.round(cpuMs / seconds) / 1000 }), ...(memoryBytes === undefined ? {} : { memoryBytes }), instances }
}
