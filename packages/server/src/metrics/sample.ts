import type { InstanceStatus, TrafficCounters } from '@pilot/core'
import { mergeHistograms, type Histogram } from './histogram.ts'

/** What an app did and used in one stretch of time. */
export interface Sample {
  readonly seconds: number
  readonly requests: number
  readonly errors: number
  readonly latency: Histogram
  /** Processor time of all its instances; absent where it is not known. */
  readonly cpuMs?: number
  /** The most at once of all instances together. */
  readonly memoryBytes?: number
  readonly instances: number
}

/** One look at an app. */
export interface Reading {
  readonly atMs: number
  readonly instances: readonly InstanceStatus[]
  readonly counters: readonly TrafficCounters[]
  /** The deployments with traffic of which instances run all the time. */
  readonly live?: readonly string[]
}

/** What happened between two looks. Counts that began anew in between count from zero. */
export function sampleBetween(before: Reading, now: Reading): Sample {
  const traffic = now.counters.map((counter) => sinceThen(counter, before.counters.find(({ deployment, life }) => deployment === counter.deployment && life === counter.life)))
  const running = now.instances.filter(({ state }) => state === 'running')
  const cpu = running.flatMap(({ instance, cpuMs }) => (cpuMs === undefined ? [] : [cpuMs - earlierCpu(before, instance, cpuMs)]))
  const memory = running.flatMap(({ memoryBytes }) => memoryBytes ?? [])
  return {
    seconds: Math.round((now.atMs - before.atMs) / 1000),
    requests: sum(traffic.map(({ requests }) => requests)),
    errors: sum(traffic.map(({ errors }) => errors)),
    latency: nonEmpty(mergeHistograms(traffic.map(({ latency }) => latency))),
    ...(cpu.length === 0 ? {} : { cpuMs: sum(cpu) }),
    ...(memory.length === 0 ? {} : { memoryBytes: sum(memory) }),
    instances: running.length,
  }
}

/** Several stretches as one. */
export function mergeSamples(samples: readonly Sample[]): Sample {
  const cpu = samples.flatMap(({ cpuMs }) => cpuMs ?? [])
  const memory = samples.flatMap(({ memoryBytes }) => memoryBytes ?? [])
  return {
    seconds: sum(samples.map(({ seconds }) => seconds)),
    requests: sum(samples.map(({ requests }) => requests)),
    errors: sum(samples.map(({ errors }) => errors)),
    latency: mergeHistograms(samples.map(({ latency }) => latency)),
    ...(cpu.length === 0 ? {} : { cpuMs: sum(cpu) }),
    ...(memory.length === 0 ? {} : { memoryBytes: Math.max(...memory) }),
    instances: samples.at(-1)?.instances ?? 0,
  }
}

/** A deployment that is new since the last look counts from zero too. */
function sinceThen({ requests, errors, latency }: TrafficCounters, before: TrafficCounters | undefined): Pick<Sample, 'requests' | 'errors' | 'latency'> {
  if (before === undefined) return { requests, errors, latency }
  const earlier = new Map(before.latency.map(({ upToMs, count }) => [upToMs, count]))
  return { requests: requests - before.requests, errors: errors - before.errors, latency: latency.map(({ upToMs, count }) => ({ upToMs, count: count - (earlier.get(upToMs) ?? 0) })) }
}

/** An instance that was started anew has used less than before. */
function earlierCpu(before: Reading, instance: string, now: number): number {
  const earlier = before.instances.find((each) => each.instance === instance)?.cpuMs ?? 0
  return earlier > now ? 0 : earlier
}

const nonEmpty = (histogram: Histogram): Histogram => histogram.filter(({ count }) => count > 0)
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
