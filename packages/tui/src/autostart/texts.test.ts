import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folderOf } from '../testing/folder.ts'
import { launchdPlist, systemdUnit, type Start } from './texts.ts'

const start: Start = { home: '/home/ada/my "apps"/100% $HOME', name: 'pilot', command: ['/bin/true', '/opt/a b/pilot.js'], env: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }, log: '/tmp/a & b.log' }

test('the unit says what starts and what stops it, with what a path may hold escaped', () => {
  expect(systemdUnit(start).split('\n')).toEqual(
    expect.arrayContaining([
      'Environment="PATH=/usr/bin:/bin"',
      String.raw`Environment="PILOT_HOME=/home/ada/my \"apps\"/100%% $HOME"`,
      'ExecStart="/bin/true" "/opt/a b/pilot.js" "server" "start"',
      'ExecStop="/bin/true" "/opt/a b/pilot.js" "server" "stop" "--all" "--yes"',
      'ExecReload="/bin/true" "/opt/a b/pilot.js" "server" "start" "--only-supervisor"',
      'OOMPolicy=continue',
      'WantedBy=default.target',
    ]),
  )
  expect(systemdUnit({ ...start, command: ['/opt/$x/100%/node'] })).toContain('ExecStart="/opt/$$x/100%%/node" "server" "start"')
})

test('systemd has nothing to say against it', async ({ skip }) => {
  await using folder = await folderOf({})
  const file = join(folder.path, 'pilot.service')
  await writeFile(file, systemdUnit(start))
  try {
    const said = execFileSync('systemd-analyze', ['--user', 'verify', file], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, XDG_RUNTIME_DIR: folder.path } })
    expect(said.toString()).toBe('')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') skip('systemd-analyze is not installed')
    const said = String((error as { stderr?: Buffer }).stderr)
    if (/Failed to (?:initialize|create|set up) manager|Failed to connect/i.test(said)) skip(`systemd-analyze does not work here: ${said}`)
    throw error
  }
})

test('the property list is well-formed XML with the pairs that launchd reads', () => {
  const text = launchdPlist(start)
  const dictionary = parsePlist(text) as Record<string, unknown>
  expect(dictionary).toEqual({
    Label: 'dev.pilot.home',
    ProgramArguments: ['/bin/true', '/opt/a b/pilot.js', 'server', 'start'],
    EnvironmentVariables: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', PILOT_HOME: start.home },
    RunAtLoad: true,
    AbandonProcessGroup: true,
    StandardErrorPath: '/tmp/a & b.log',
  })
  expect(launchdPlist({ ...start, name: 'pilot-1a2b3c4d' })).toContain('<string>dev.pilot.home-1a2b3c4d</string>')
})

type Value = string | boolean | Value[] | { [key: string]: Value }

/** As much of a property list as this one uses; throws on what does not nest. */
function parsePlist(text: string): Value {
  const tokens = text.replace(/<\?xml.*?\?>|<!DOCTYPE[^>]*>/g, '').match(/<[^>]+>|[^<]+/g)!.filter((token) => token.trim() !== '')
  const take = (wanted?: string): string => {
    const token = tokens.shift()
    if (token === undefined || (wanted !== undefined && token !== wanted)) throw new Error(`${wanted} instead of ${token}`)
    return token
  }
  const textUpTo = (end: string): string => {
    const found = tokens[0]!.startsWith('</') ? '' : take()
    take(end)
    return found.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
  }
  const value = (): Value => {
    const open = take()
    if (open === '<true/>') return true
    if (open === '<string>') return textUpTo('</string>')
    if (open === '<array>') {
      const list: Value[] = []
      while (tokens[0] !== '</array>') list.push(value())
      take('</array>')
      return list
    }
    if (open !== '<dict>') throw new Error(`what is ${open}?`)
    const pairs: Record<string, Value> = {}
    while (tokens[0] !== '</dict>') {
      take('<key>')
      const key = textUpTo('</key>')
      pairs[key] = value()
    }
    take('</dict>')
    return pairs
  }
  take('<plist version="1.0">')
  const found = value()
  take('</plist>')
  return found
}
