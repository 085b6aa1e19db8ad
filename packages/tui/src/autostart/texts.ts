/** What starts a home at login, as the file that systemd or launchd reads. Pure. */
export interface Start {
  readonly home: string
  /** The program with its first words: `/usr/bin/node /opt/pilot/pilot.js`. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** `pilot`, or `pilot-1a2b3c4d` for another home than the usual one. */
  readonly name: string
  readonly log: string
}

/**
 * A unit that starts and ends: what it started is the supervisor's, in the unit's group, and goes on. A reload starts a supervisor there
 * when the last one left. An app that ran out of memory is the supervisor's to start again: systemd would end the whole home for it.
 * Stopping has to be done before the user's manager is killed, which has 120 s.
 */
export const systemdUnit = ({ home, command, env, name }: Start): string => `[Unit]
Description=Pilot: the apps of ${unitText(home)}

[Service]
Type=oneshot
RemainAfterExit=yes
${Object.entries({ ...env, PILOT_HOME: home }).map(([name, value]) => `Environment=${unitWord(`${name}=${value}`)}`).join('\n')}
ExecStart=${execLine([...command, 'server', 'start'])}
ExecStop=${execLine([...command, 'server', 'stop', '--all', '--yes'])}
ExecReload=${execLine([...command, 'server', 'start', '--only-supervisor'])}
SyslogIdentifier=${name}
OOMPolicy=continue
TimeoutStartSec=120
TimeoutStopSec=100

[Install]
WantedBy=default.target
`

export const launchdPlist = ({ home, command, env, name, log }: Start): string => `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${xml(launchdLabel(name))}</string>
  <key>ProgramArguments</key>
  <array>
${[...command, 'server', 'start'].map((word) => `    <string>${xml(word)}</string>`).join('\n')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${Object.entries({ ...env, PILOT_HOME: home }).map(([key, value]) => `    <key>${xml(key)}</key>\n    <string>${xml(value)}</string>`).join('\n')}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>AbandonProcessGroup</key>
  <true/>
  <key>StandardErrorPath</key>
  <string>${xml(log)}</string>
</dict>
</plist>
`

export const launchdLabel = (name: string): string => `dev.${name.replace('pilot', 'pilot.home')}`

/** systemd.syntax(7): quotes and backslashes in quotes, `%` for specifiers. */
const unitText = (text: string): string => text.replaceAll('%', '%%').replaceAll(/[\n\r]/g, ' ')
const unitWord = (text: string): string => `"${unitText(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
/** In a command `$` would be a variable. */
const execLine = (words: readonly string[]): string => words.map((word) => unitWord(word).replaceAll('$', '$$$$')).join(' ')
const xml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
