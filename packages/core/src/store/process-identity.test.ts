import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { bootId, hostIdentity, isProcessAlive, livenessOf, processIdentity } from './process-identity.ts'

describe('the identity of a process', () => {
  it('stays the same while it runs', async () => {
    expect(processIdentity()).toEqual(processIdentity(process.pid))
    expect(isProcessAlive(processIdentity()!)).toBe(true)
  })

  it('of a child ends with it, also while it is a zombie', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const identity = processIdentity(child.pid!)!
    expect(livenessOf(identity)).toBe('alive')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(livenessOf(identity)).toBe('gone')
    expect(processIdentity(child.pid!)).toBeUndefined()
  })

  it('is another one when the pid was given out again', () => {
    expect(livenessOf({ ...processIdentity()!, startTime: '1' })).toBe('gone')
  })

  it('is unknown on another machine, and gone before a reboot of this one', () => {
    const elsewhere = { ...processIdentity()!, bootId: 'another-boot/1' }
    expect(livenessOf(elsewhere)).toBe('unknown')
    expect(livenessOf({ ...elsewhere, host: 'elsewhere', machineId: 'x' })).toBe('unknown')
    const host = hostIdentity()
    if (host.machineId !== undefined) expect(livenessOf({ ...elsewhere, ...host })).toBe('gone')
    expect(isProcessAlive(elsewhere)).toBe(false)
  })

  it('is unknown in another pid namespace of this machine', ({ skip }) => {
    skip(process.platform !== 'linux', 'this needs Linux: no other system has pid namespaces')
    const contained = { ...processIdentity()!, bootId: `${bootId().split('/')[0]}/1` }
    expect(livenessOf({ ...contained, ...hostIdentity() })).toBe('unknown')
  })
})
