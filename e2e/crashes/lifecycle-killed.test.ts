import { setTimeout as sleep } from 'node:timers/promises'
import { isFullCampaign } from '@pilot/core/testing'
import type { Operation, StreamEvent } from '@pilot/server/contract'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { hasDocker, needsDocker } from '../driver/needs.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'
import { casesOf, commandsOf, type Case, type Runtime } from './cases.ts'
import { startCommand } from './command.ts'
import { changesBetween, inventoryOf } from './inventory.ts'
import { startProbe, type Probe } from './probe.ts'
import { openTodo, type Todo } from './todo.ts'
import { kill, pidsOf, type Victim } from './victims.ts'

/**
 * Every process of Pilot, each and together, killed in every phase of what changes an app. Afterwards: the release that ran has answered
 * all along, the operation ended once and took effect once, the next `up` works, and nothing is left that nobody owns.
 */
for (const runtime of isFullCampaign ? (['docker', 'process'] as const) : (['docker'] as const)) {
  describe(`with ${runtime}`, () => {
    suite(runtime, casesOf(runtime))
  })
}

function suite(runtime: Runtime, cases: readonly Case[]): void {
  let todo: Todo
  let emptyPlatform: readonly string[]
  let oneApp: readonly string[]
  let round = 0
  const app = { project: 'todo', environment: 'production', app: 'web' }

  if (runtime === 'docker') beforeEach(needsDocker)
  beforeAll(async () => {
    if (runtime === 'docker' && !(await hasDocker())) return
    if (runtime === 'docker') await ensureBaseImages(['node:24-slim'])
    todo = await openTodo({ runtime })
    emptyPlatform = await inventoryOf(todo.place)
    await todo.writeVersion('0')
    await todo.up()
    await todo.add('kept')
    await todo.pilot.ok(['db', 'backup', '-p', 'todo'])
    await todo.writeVersion('1')
    await todo.up()
    oneApp = await inventoryOf(todo.place)
  })
  afterAll(() => todo?.[Symbol.asyncDispose]())

  test.for(cases.map((one) => [`${one.name}: ${one.victim} at ${one.moment}${one.afterMs === 0 ? '' : ` + ${one.afterMs} ms`}`, one] as const))('%s', async ([, { name, victim, moment, afterMs }]) => {
    round++
    await todo.healthy()
    const version = `${round + 1}`
    if (name === 'up') await todo.writeVersion(version)
    if (name === 'db restore') await todo.add(`lost ${round}`)
    const before = await facts()
    await using probe = probing(todo)

    const command = startCommand(todo.pilot, [...commandsOf(runtime)[name].words(round), ...(name === 'up' ? [todo.folder] : ['-p', 'todo'])])
    const pids = await pidsOf(todo.place.home, victim, command.child)
    const { operation: id } = await command.event(moment)
    await sleep(afterMs)
    const killed = performance.now()
    kill(pids)

    const ended = await command.ended
    // Whoever looks brings back what is gone.
    await todo.pilot.ok(['status', '-p', 'todo'])
    const back = performance.now()
    const operation = await finished(todo, id)
    const events = await eventsOf(todo, id)
    expect(events.filter(({ type }) => type === 'operation.finished')).toHaveLength(1)
    expect(operation.jobs.map(({ state }) => state)).toEqual([operation.state])
    if (!victim.startsWith('postgres')) expect(operation).toMatchObject({ state: 'done' })
    if (victim !== 'cli' && victim !== 'all') expect([ended.code === 0, ended.events.filter(({ type }) => type === 'operation.finished').length]).toEqual([operation.state === 'done', 1])
    if (operation.state !== 'done') expect(operation.error).toMatchObject({ code: expect.not.stringMatching(/^INTERNAL$/), suggestion: expect.any(String) })
    if (name !== 'destroy') expect(notToFail(probe, { victim, killed, back })).toEqual([])
    if (name === 'destroy' && operation.state === 'done') await settles(todo, emptyPlatform)
    const between = name === 'destroy' ? undefined : await facts()

    await todo.up()
    await todo.healthy()
    const after = await facts()
    const isDone = operation.state === 'done'
    if (name === 'up') {
      expect(await todo.version()).toBe(version)
      expect(after.releases - before.releases).toBe(1)
      if (isDone) expect([after.releases - between!.releases, after.commands - before.commands]).toEqual([0, 1])
    }
    if (name === 'rollback') expect([between!.releases - before.releases, between!.commands - before.commands]).toEqual([isDone ? 1 : 0, 0])
    if (name === 'env set') expect(between!.releases - before.releases).toBe(isDone ? 1 : 0)
    if (name === 'db restore') expect(await todo.texts()).toEqual(isDone ? ['kept'] : expect.arrayContaining(['kept', `lost ${round}`]))
    if (name === 'destroy' && isDone) {
      expect([after.releases, await todo.texts()]).toEqual([1, []])
      await todo.add('kept')
      await todo.pilot.ok(['db', 'backup', '-p', 'todo'])
    }
    await settles(todo, oneApp)
  })

  async function facts(): Promise<{ readonly releases: number; readonly commands: number }> {
    const { releases } = await todo.client.request('releases', { params: app, query: { limit: 1 } })
    return { releases: releases[0]?.number ?? 0, commands: await todo.releaseCommands() }
  }
}

function probing(todo: Todo): Probe & AsyncDisposable {
  const probe = startProbe(todo.url)
  return { ...probe, [Symbol.asyncDispose]: () => probe.stop() }
}

/**
 * A killed edge loses what was open. New connections wait for the next one, or are refused or reset until it is there where the supervisor that
 * held the sockets was killed earlier. With both dead at once, nobody listens until somebody comes and looks.
 */
function notToFail(probe: Probe, { victim, killed, back }: { victim: Victim; killed: number; back: number }): readonly string[] {
  const first = probe.firstAnswerSince(killed)
  if (victim === 'edge' && first - killed > 10_000) return [`no answer within ten seconds of the kill, the first after ${Math.round(first - killed)} ms`]
  const lost = probe.failures().filter(({ asked }) => (victim === 'edge' ? asked > first : victim === 'all' ? asked > back : true))
  return lost.map(({ asked, ended, what }) => `${Math.round(asked - killed)} to ${Math.round(ended - killed)} ms after the kill: ${what}`)
}

async function finished(todo: Todo, id: string): Promise<Operation> {
  for await (const _ of todo.client.events(id, { patienceMs: 120_000 }));
  return await todo.client.request('operation', { params: { id } })
}

async function eventsOf(todo: Todo, id: string): Promise<readonly StreamEvent[]> {
  const events: StreamEvent[] = []
  for await (const event of todo.client.events(id)) events.push(event)
  return events
}

/** What is on its way out may take a moment; what stays is left behind. */
async function settles(todo: Todo, expected: readonly string[]): Promise<void> {
  await expect.poll(async () => changesBetween(expected, await inventoryOf(todo.place)), { timeout: 60_000, interval: 200 }).toEqual([])
}
