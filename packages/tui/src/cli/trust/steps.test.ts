import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { takeSteps, trustFacts } from './machine.ts'
import { trustSteps, typed, type TrustFacts } from './steps.ts'

const folders: string[] = []
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })))

const facts = (programs: readonly string[], more: Partial<TrustFacts> = {}): TrustFacts => ({ platform: 'linux', has: (program) => programs.includes(program), userFolder: '/home/ada', stores: ['/home/ada/.pki/nssdb'], certificate: '/home/ada/.pilot/ca.pem', name: 'pilot-1', ...more })
const lines = (given: TrustFacts, options = {}): readonly string[] => trustSteps(given, options).flatMap((step) => typed(step, { isRoot: false }))

test('each system has its own commands, and a way back', () => {
  expect(lines(facts(['update-ca-certificates']))).toEqual(['sudo install -m 644 /home/ada/.pilot/ca.pem /usr/local/share/ca-certificates/pilot-1.crt', 'sudo update-ca-certificates'])
  expect(lines(facts(['update-ca-certificates']), { undo: true })).toEqual(['sudo rm -f /usr/local/share/ca-certificates/pilot-1.crt', 'sudo update-ca-certificates --fresh'])
  expect(lines(facts(['update-ca-trust']))).toEqual(['sudo install -m 644 /home/ada/.pilot/ca.pem /etc/pki/ca-trust/source/anchors/pilot-1.pem', 'sudo update-ca-trust extract'])
  expect(lines(facts([], { platform: 'darwin', userFolder: '/Users/ada l' }))).toEqual(["security add-trusted-cert -r trustRoot -k '/Users/ada l/Library/Keychains/login.keychain-db' /home/ada/.pilot/ca.pem"])
  expect(lines(facts(['certutil'], { stores: ['/home/ada/.pki/nssdb', '/home/ada/.mozilla/firefox/x.default'] }))).toEqual([
    'certutil -A -d sql:/home/ada/.pki/nssdb -n pilot-1 -t C,, -i /home/ada/.pilot/ca.pem',
    'certutil -A -d sql:/home/ada/.mozilla/firefox/x.default -n pilot-1 -t C,, -i /home/ada/.pilot/ca.pem',
  ])
  expect(trustSteps(facts([]))).toEqual([])
})

test('what this user may not do is left, and the rest is done', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pilot-trust-'))
  folders.push(folder)
  const marker = join(folder, 'done')
  const steps = [
    { title: 'system', needsRoot: true, commands: [['false']] },
    { title: 'broken', needsRoot: false, commands: [['sh', '-c', 'echo no store >&2; exit 3']] },
    { title: 'own', needsRoot: false, commands: [['touch', marker]] },
  ]
  const outcomes = await takeSteps(steps, { certificate: '', undo: false, isRoot: false, env: process.env })
  expect(outcomes.map(({ state }) => state)).toEqual(['needs root', 'failed', 'done'])
  expect(outcomes[1]).toMatchObject({ why: 'no store' })
  expect(existsSync(marker)).toBe(true)
})

test('a step that somebody else has done counts as done', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pilot-trust-'))
  folders.push(folder)
  const [certificate, file] = [join(folder, 'ca.pem'), join(folder, 'copy.pem')]
  for (const path of [certificate, file]) writeFileSync(path, 'the certificate')
  const step = { title: 'system', needsRoot: true, file, commands: [['false']] }
  expect(await takeSteps([step], { certificate, undo: false, isRoot: false, env: process.env })).toMatchObject([{ state: 'was so' }])
  expect(await takeSteps([step], { certificate, undo: true, isRoot: false, env: process.env })).toMatchObject([{ state: 'needs root' }])
})

test('the store of a browser takes the certificate and gives it back', async ({ skip }) => {
  const home = mkdtempSync(join(tmpdir(), 'pilot-trust-'))
  folders.push(home)
  const store = join(home, '.pki/nssdb')
  const found = trustFacts({ env: { ...process.env, HOME: home }, certificate: '', sha256: 'AB:CD' })
  skip(!found.has('certutil'), 'certutil (libnss3-tools) is not installed')
  mkdirSync(store, { recursive: true })
  execFileSync('certutil', ['-N', '-d', `sql:${store}`, '--empty-password'])
  const certificate = join(home, 'ca.pem')
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', join(home, 'key'), '-out', certificate, '-subj', '/CN=Pilot on test', '-days', '2'], { stdio: 'pipe' })
  const facts: TrustFacts = { ...trustFacts({ env: { ...process.env, HOME: home }, certificate, sha256: 'AB:CD' }), platform: 'linux', has: (program) => program === 'certutil' }
  const listed = (): string => execFileSync('certutil', ['-L', '-d', `sql:${store}`], { encoding: 'utf8' })
  const take = (undo: boolean) => takeSteps(trustSteps(facts, { undo }), { certificate, undo, isRoot: false, env: { ...process.env, HOME: home } })
  expect(await take(false)).toMatchObject([{ state: 'done' }])
  expect(listed()).toMatch(/pilot-abcd\s+C,,/)
  expect(await take(true)).toMatchObject([{ state: 'done' }])
  expect(listed()).not.toContain('pilot-abcd')
  expect(await take(true)).toMatchObject([{ state: 'was so' }])
})
