import manifest from '@pilot/server/package.json' with { type: 'json' }

export const version: string = manifest.version
