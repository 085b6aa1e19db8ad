import type { AppDefinition } from '../lifecycle/app-definition.ts'

/** One app of the project `shop` in production with every default filled in: tests change what they are about. */
export const definition = (app = 'api', changes: Partial<Omit<AppDefinition, 'app'>> = {}): AppDefinition => ({
  app: { project: 'shop', app, environment: 'production' },
  buildArgs: {},
  health: { path: '/', acceptBelow: 500, intervalMs: 10, timeoutMs: 1000, graceMs: 5000 },
  memoryBytes: 64 << 20,
  cpu: 0.25,
  instances: 1,
  uses: [],
  env: {},
  secrets: [],
  domains: [],
  trusted: true,
  ...changes,
})
