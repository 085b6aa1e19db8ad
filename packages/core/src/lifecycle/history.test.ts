import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createFileStore } from '../store/file-store.ts'
import { acquireLease } from '../store/lease.ts'
import { oldRecords } from './history.ts'
import { openLedger, readLedger, type Ledger } from './ledger.ts'
import type { BuildRecord, ConfigurationRecord, DeploymentRecord, ReleaseRecord } from './records.ts'

const app = { project: 'shop', app: 'api', environment: 'production' }
const dateOf = (number: number): string => new Date(number * 1000).toISOString()
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
const artifact = { digest: 'sha256:2', type: 'image', location: 'x' } as const

const buildOf = (number: number): BuildRecord => ({ id: `b${number}`, app, source: { digest: `sha256:${number}` }, builder: 'dockerfile', target: 'container', optionsDigest: 'o', artifact, startedAt: dateOf(number), ms: 1 })
const configurationOf = (version: number, derivedFrom?: number): ConfigurationRecord => ({ version, at: dateOf(version), by: 'ada', manifest: {}, set: {}, secrets: {}, ...(derivedFrom === undefined ? {} : { derivedFrom }) })
const deploymentOf = (number: number, configuration = number): DeploymentRecord => ({
  ...{ id: `d${number}`, number, app, source: { digest: 'sha256:1' }, build: `b${number}`, artifact, target: 'container', configuration, nonce: 0, createdAt: dateOf(number), by: 'ada' },
  run: { health: { path: '/', acceptBelow: 500, intervalMs: 1000, timeoutMs: 5000, graceMs: 60_000 }, memoryBytes: 1, cpu: 1, instances: 1, uses: [], domains: [] },
})
const releaseOf = (number: number, deployment: number): ReleaseRecord => ({ number, app, deployment: `d${deployment}`, kind: 'release', at: dateOf(number), by: 'ada' })

const ledger: Ledger = { builds: numbers(10).map(buildOf), configurations: numbers(10).map((version) => configurationOf(version)), deployments: numbers(10).map((number) => deploymentOf(number)), releases: numbers(10).map((number) => releaseOf(number, number)) }
const names = ({ builds, configurations, deployments, releases }: Ledger) => ({ builds: builds.map(({ id }) => id), configurations: configurations.map(({ version }) => version), deployments: deployments.map(({ id }) => id), releases: releases.map(({ number }) => number) })

it('the newest of everything stay', () => {
  expect(names(oldRecords(ledger, ['d10'], 8))).toEqual({ builds: ['b1', 'b2'], configurations: [1, 2], deployments: ['d1', 'd2'], releases: [1, 2] })
  expect(names(oldRecords(ledger, ['d10'], 10))).toEqual({ builds: [], configurations: [], deployments: [], releases: [] })
})

it('what is live stays however old it is, with its build and its configuration, and what a release that stays went back to', () => {
  const rolledBack = { ...ledger, releases: [...ledger.releases, releaseOf(11, 2)] }
  expect(names(oldRecords(rolledBack, ['d1'], 3))).toMatchObject({ deployments: ['d3', 'd4', 'd5', 'd6', 'd7'], builds: ['b3', 'b4', 'b5', 'b6', 'b7'], configurations: [3, 4, 5, 6, 7] })
})

it('the configuration that the next change goes on from stays, however many rollbacks came after it', () => {
  const many = { ...ledger, configurations: [configurationOf(1), ...numbers(9).map((index) => configurationOf(index + 1, 1))], deployments: numbers(10).map((number) => deploymentOf(number, 10)) }
  expect(names(oldRecords(many, [], 2)).configurations).toEqual([2, 3, 4, 5, 6, 7, 8])
})

it('what is forgotten is gone from the store and from the open ledger, and numbers go on', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pilot-history-'))
  try {
    const scope = createFileStore({ dir }).scope('app/shop/api/production')
    const lease = await acquireLease({ store: scope, title: 'a test' })
    const { read, write } = openLedger(scope, lease.fence)
    for (const release of ledger.releases) await write.release(release)
    for (const deployment of ledger.deployments) await write.deployment(deployment)
    await write.forget(oldRecords(await read(), ['d10'], 4))
    expect(names(await read())).toMatchObject({ deployments: ['d7', 'd8', 'd9', 'd10'], releases: [7, 8, 9, 10] })
    expect(await read()).toEqual(await readLedger(scope))
    await lease.release()
  } finally {
    await rm(dir, { recursive: true })
  }
})
