/**
 * The invariants that nothing may lose, each with a change to the code that breaks it and the tests that must notice. The
 * invariant is what the changed code no longer keeps.
 */
export interface Mutant {
  readonly name: string
  readonly invariant: string
  readonly file: string
  /** Stands exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** Of the package that the file is in; one of them must fail. */
  readonly tests: readonly string[]
}

const store = 'packages/core/src/store'
const graph = 'packages/core/src/graph'
const jobs = 'packages/server/src/jobs'
const home = 'packages/host/src/home'

export const mutants: readonly Mutant[] = [
  // Power loss: each flush
  { name: 'content-unflushed', invariant: 'A file has its content before it has its name.', file: `${store}/durable-file.ts`, find: '    writeFileSync(file, content)\n    await flush(file)', replace: '    writeFileSync(file, content)', tests: ['src/store/power.test.ts'] },
  { name: 'name-unflushed', invariant: 'A file that was made is there after a power cut.', file: `${store}/durable-file.ts`, find: '    await syncFolder(dirname(path))\n    return true', replace: '    return true', tests: ['src/store/power.test.ts'] },
  { name: 'replacement-unflushed', invariant: 'A file that was replaced stays replaced.', file: `${store}/durable-file.ts`, find: '      removeQuietly(temporary)\n      throw error\n    }\n    await syncFolder(dirname(path))', replace: '      removeQuietly(temporary)\n      throw error\n    }', tests: ['src/secrets/power.test.ts'] },
  { name: 'folder-unflushed', invariant: 'The folders that a file lies in are there after a power cut.', file: `${store}/durable-file.ts`, find: 'for (const folder of unsure.toReversed()) {', replace: 'for (const folder of unsure.splice(0, 0)) {', tests: ['src/store/power.test.ts'] },
  { name: 'deletion-unflushed', invariant: 'A record that was deleted does not come back.', file: `${store}/durable-file.ts`, find: '    await syncFolder(dirname(path)).catch(ignoreAbsent)', replace: '', tests: ['src/store/power.test.ts'] },
  { name: 'removal-unflushed', invariant: 'A scope that was removed does not come back.', file: `${store}/durable-file.ts`, find: '    await syncFolder(dirname(path))\n    await rm(hidden', replace: '    await rm(hidden', tests: ['src/store/power.test.ts'] },
  { name: 'journal-unflushed', invariant: 'A journal entry is on the disk before anybody counts on it.', file: `${store}/journal-files.ts`, find: '        writeFileSync(file, lines)\n        await flush(file)', replace: '        writeFileSync(file, lines)', tests: ['src/store/power.test.ts'] },
  { name: 'journal-name-unflushed', invariant: 'So is the name of the journal.', file: `${store}/journal-files.ts`, find: '        if (!isSure) await syncFolder(folder)\n', replace: '', tests: ['src/store/power.test.ts'] },
  { name: 'earlier-journal-unflushed', invariant: 'What an owner builds on is on the disk, also when the owner before was killed in its flush.', file: `${store}/journal-files.ts`, find: 'if (!isSure) await flushBefore(all)', replace: 'if (!isSure) await ensureFolder(folder)', tests: ['src/store/power.test.ts'] },
  { name: 'state-unsure-at-truncation', invariant: 'No journal is forgotten before the state that includes it is on the disk.', file: `${store}/file-store.ts`, find: '      if (newest !== undefined) await makeSure(states.path(newest))\n', replace: '', tests: ['src/store/power.test.ts'] },
  { name: 'repeated-record-unsure', invariant: 'Writing a record again promises it as the first time.', file: `${store}/record-files.ts`, find: 'JSON.parse(text))) return makeSure(path(type, id))', replace: 'JSON.parse(text))) return', tests: ['src/store/power.test.ts'] },
  { name: 'secret-unsure', invariant: 'A secret is on the disk before it is used, whoever made it.', file: 'packages/core/src/secrets/file-secret-store.ts', find: '          await makeSure(versions.path(newest))\n', replace: '', tests: ['src/secrets/power.test.ts'] },
  { name: 'key-unsure', invariant: 'A key is on the disk before anything is encrypted with it, whoever made it.', file: 'packages/core/src/secrets/key-file.ts', find: '    await makeSure(path)\n    return found', replace: '    return found', tests: ['src/secrets/power.test.ts'] },
  { name: 'home-content-unflushed', invariant: 'A file of the home has its content before it has its name.', file: `${home}/files.ts`, find: '      if (durable) fsyncSync(fd)\n', replace: '', tests: ['src/home/power.test.ts'] },
  { name: 'home-name-unflushed', invariant: 'A file of the home that was written is there after a power cut.', file: `${home}/files.ts`, find: '  if (durable) makeSure(path)\n', replace: '', tests: ['src/home/power.test.ts'] },
  { name: 'home-key-unsure', invariant: 'A key that anybody has seen is the same after a power cut.', file: `${home}/files.ts`, find: '  makeSure(path)\n  return readFileSync(path)', replace: '  return readFileSync(path)', tests: ['src/home/power.test.ts'] },
  { name: 'home-deletion-unflushed', invariant: 'What was deleted from the home does not come back.', file: `${home}/files.ts`, find: '  rmSync(path, { force: true })\n  syncFolder(dirname(path))', replace: '  rmSync(path, { force: true })', tests: ['src/home/power.test.ts'] },
  { name: 'torn-status-read', invariant: 'A status that a power cut tore is none.', file: 'packages/host/src/supervisor/status.ts', find: 'if (error instanceof SyntaxError) return undefined', replace: '', tests: ['src/home/power.test.ts'] },

  // Damage and versions
  { name: 'checksum-ignored', invariant: 'A damaged state, record or lease is not taken for another one.', file: `${store}/checked-json.ts`, find: 'if (text === encodeChecked(json)) return json', replace: `if (text.startsWith('{"crc":"')) return json`, tests: ['src/store/damage.test.ts'] },
  { name: 'journal-checksum-ignored', invariant: 'A damaged journal entry is not taken for another one.', file: `${store}/journal-files.ts`, find: '  if (checksum(body) !== sum) return undefined\n', replace: '', tests: ['src/store/damage.test.ts'] },
  { name: 'tear-is-damage', invariant: 'A write of several entries that a power cut tore is no damage.', file: `${store}/journal-files.ts`, find: '.some(({ from }) => from > start)', replace: '.some(() => true)', tests: ['src/store/power.test.ts'] },
  { name: 'damage-is-a-tear', invariant: 'Damage to what was promised is told, not dropped.', file: `${store}/journal-files.ts`, find: '  if (last === 10) return false\n', replace: '  if (last === 10) return true\n', tests: ['src/store/damage.test.ts'] },
  { name: 'newer-state-read', invariant: 'The state of a newer Pilot is refused.', file: `${store}/state-format.ts`, find: 'if (storedFormat > stateFormat)', replace: 'if (storedFormat > stateFormat + 1)', tests: ['src/store/file-store.test.ts'] },
  { name: 'newer-journal-read', invariant: 'The journal of a newer Pilot is refused.', file: `${store}/journal-files.ts`, find: 'if (Number(format) > journalFormat)', replace: 'if (Number(format) > journalFormat + 1)', tests: ['src/store/damage.test.ts'] },
  { name: 'older-state-not-kept', invariant: 'What an older Pilot wrote is kept when it is written over.', file: `${store}/file-store.ts`, find: 'if (storedFormat < stateFormat) await replaceFile(', replace: 'if (storedFormat > stateFormat) await replaceFile(', tests: ['src/store/file-store.test.ts'] },
  { name: 'newer-database-used', invariant: 'The database of a newer Pilot is refused.', file: 'packages/server/src/db/migrations.ts', find: 'if (version > steps.length)', replace: 'if (version > steps.length + 1)', tests: ['src/db/versions.test.ts'] },
  { name: 'newer-job-taken', invariant: 'A job in a form that this Pilot does not know waits for the one that does.', file: `${jobs}/queue.ts`, find: ' and j.payload_version <= ${payloadVersion}', replace: '', tests: ['src/db/versions.test.ts'] },

  // One owner
  { name: 'state-without-fence', invariant: 'Who lost the lease writes no state.', file: `${store}/file-store.ts`, find: '    async writeState(state, fence) {\n      await check(fence)', replace: '    async writeState(state, fence) {', tests: ['src/store/file-store.test.ts'] },
  { name: 'journal-without-fence', invariant: 'Who lost the lease writes no journal.', file: `${store}/journal-files.ts`, find: '        await check({ token })\n        await write(', replace: '        await write(', tests: ['src/store/file-store.test.ts'] },
  { name: 'records-without-fence', invariant: 'Who lost the lease writes no record.', file: `${store}/file-store.ts`, find: '      await check(fence)\n      await records.put(', replace: '      await records.put(', tests: ['src/store/file-store.test.ts'] },
  { name: 'token-reused', invariant: 'A token of the lease is given out once.', file: `${store}/lease.ts`, find: 'token: (stored?.token ?? 0) + 1', replace: 'token: stored?.token ?? 1', tests: ['src/store/lease.test.ts'] },
  { name: 'pruned-number-won', invariant: 'Nobody wins a number that was won and forgotten.', file: `${store}/numbered-files.ts`, find: '() => (newest() ?? number) - number < keep', replace: '() => true', tests: ['src/store/numbered-files.test.ts'] },
  { name: 'lease-never-expires', invariant: 'The lease of an owner that cannot be looked at expires.', file: `${store}/lease.ts`, find: 'return isStill && now - seen!.since > stored.ttlMs + maxCallMs', replace: 'return false', tests: ['src/store/lease.test.ts'] },
  { name: 'lease-expires-early', invariant: 'A taker waits for the longest call of the owner before.', file: `${store}/lease.ts`, find: 'now - seen!.since > stored.ttlMs + maxCallMs', replace: 'now - seen!.since > stored.ttlMs', tests: ['src/store/lease.test.ts'] },
  { name: 'dead-owner-keeps', invariant: 'The lease of a process that is gone is free at once.', file: `${store}/lease.ts`, find: "if (livenessOf(stored.holder!) === 'gone') return true\n", replace: '', tests: ['src/store/lease.test.ts'] },
  { name: 'checkpoint-blind', invariant: 'No call leaves after the lease was lost.', file: `${store}/lease.ts`, find: '    const stored = await store.lease.read()\n    if (!isOurs(stored)) lose(leaseLost(store.name, stored))\n', replace: '', tests: ['src/store/lease.test.ts'] },
  { name: 'pid-alone', invariant: 'A process is known by when it started, not by its number alone.', file: `${store}/process-identity.ts`, find: "return startTime === identity.startTime ? 'alive' : 'gone'", replace: "return 'alive'", tests: ['src/store/process-identity.test.ts'] },

  // The engine
  { name: 'intent-skipped', invariant: 'What is about to be created is written down before the call leaves.', file: `${graph}/execute.ts`, find: '  await intend()\n  const facts', replace: '  void intend()\n  const facts', tests: ['src/graph/power.test.ts'] },
  { name: 'look-up-skipped', invariant: 'What a creation without an answer may have made is looked for before it is made again.', file: `${graph}/unknown.ts`, find: 'const isLast = context.clock.monotonicMs() >= deadline\n', replace: 'const isLast = true\n', tests: ['src/graph/engine.test.ts', 'src/graph/engine-apply.test.ts', 'src/testing/sigkill.test.ts'] },
  { name: 'generation-lost', invariant: 'A generation of a key is used once.', file: `${graph}/recorded.ts`, find: 'Math.max(retired.get(key) ?? floor, ...', replace: 'Math.max(0, ...', tests: ['src/graph/recorded.test.ts'] },
  { name: 'adoption-unmarked', invariant: 'Only what carries the marks of this platform and scope is taken over.', file: `${graph}/unknown.ts`, find: 'owner.platformId !== platformId || owner.scope !== scope || ', replace: '', tests: ['src/graph/engine-ownership.test.ts'] },
  { name: 'adoption-forgets-data', invariant: 'What was taken over may hold data, so it stays protected.', file: `${graph}/unknown.ts`, find: 'id: listed.id, adopted: true })', replace: 'id: listed.id })', tests: ['src/graph/engine-ownership.test.ts', 'src/graph/recorded.test.ts'] },
  { name: 'sweep-takes-all', invariant: 'A sweep deletes only what Pilot wrote down to have made.', file: `${graph}/sweep.ts`, find: '  return isOurs ? { key, generation } : undefined', replace: '  return { key, generation }', tests: ['src/graph/engine-ownership.test.ts'] },
  { name: 'protection-skipped', invariant: 'What holds data goes only after its name was typed.', file: `${graph}/apply.ts`, find: '  if (unconfirmed.length > 0) {', replace: '  if (unconfirmed.length > 1_000) {', tests: ['src/graph/engine-apply.test.ts', 'src/graph/engine.test.ts'] },
  { name: 'stale-plan-applied', invariant: 'A plan that no longer fits what exists is not applied.', file: `${graph}/apply.ts`, find: '  if (approved.hash === plan.hash) return', replace: '  return', tests: ['src/graph/engine-apply.test.ts', 'src/graph/engine.test.ts'] },
  { name: 'switch-before-healthy', invariant: 'What is not ready yet gets no traffic: whoever depends on it waits.', file: `${graph}/settle.ts`, find: "    if (settled.status === 'ready') return parseOutputs(kind, resource, settled.outputs)", replace: "    if (settled.status === 'ready') return parseOutputs(kind, resource, settled.outputs)\n    if (settled.status === 'pending') return {}", tests: ['src/graph/engine-apply.test.ts', 'src/graph/engine.test.ts'] },

  // Jobs
  { name: 'job-ended-twice', invariant: 'A job ends once, by the attempt that has it.', file: `${jobs}/queue.ts`, find: "      .where('id', '=', id)\n      .where('attempt', '=', attempt)\n      .where('state', '=', 'running')\n      .returning('id')", replace: "      .where('id', '=', id)\n      .returning('id')", tests: ['src/jobs/queue.test.ts'] },
  { name: 'two-jobs-of-one-app', invariant: 'Jobs of one app run one after the other.', file: `${jobs}/queue.ts`, find: '          and not exists (select 1 from jobs p where ${sharesScope})\n', replace: '', tests: ['src/jobs/queue.test.ts'] },
  { name: 'order-of-jobs-lost', invariant: 'Jobs that depend on others wait for them.', file: `${jobs}/queue.ts`, find: '          and not exists (select 1 from jobs p where ${comesBefore})\n', replace: '', tests: ['src/jobs/queue.test.ts'] },
  { name: 'job-tried-for-ever', invariant: 'A job whose runner dies each time ends.', file: `${jobs}/reaper.ts`, find: 'if (attempt < maxAttempts) await requeueJob', replace: 'if (attempt > 0) await requeueJob', tests: ['src/jobs/queue.test.ts'] },
]
