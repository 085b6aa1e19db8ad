import type { CommandDefinition } from '../command.ts'

export type CommandGroup = 'Start' | 'Ship' | 'Run' | 'Configure' | 'Platform'

/** Names and summaries stand here, so that help needs no command's code; a test compares them with the definitions. */
export interface CommandRow {
  readonly name: string
  readonly group: CommandGroup
  readonly summary: string
  load(): Promise<CommandDefinition>
}

export const commandTable: readonly CommandRow[] = [
  { name: 'doctor', group: 'Start', summary: 'Check this machine, and say how to get what is missing', load: async () => (await import('./doctor.ts')).doctor },
  { name: 'init', group: 'Start', summary: 'Write pilot.yaml for the app in this folder', load: async () => (await import('./init.ts')).init },
  { name: 'setup', group: 'Start', summary: 'Create a platform, or list the providers', load: async () => (await import('./setup.ts')).setup },

  { name: 'up', group: 'Ship', summary: 'Build, deploy and release a folder, and print its URL', load: async () => (await import('./up.ts')).up },
  { name: 'build', group: 'Ship', summary: 'Build an app and stop there', load: async () => (await import('./build.ts')).build },
  { name: 'deploy', group: 'Ship', summary: 'Deploy the newest build, without traffic', load: async () => (await import('./deploy.ts')).deploy },
  { name: 'release', group: 'Ship', summary: 'Give the traffic to a deployment', load: async () => (await import('./release.ts')).release },
  { name: 'rollback', group: 'Ship', summary: 'Release an earlier deployment again', load: async () => (await import('./rollback.ts')).rollback },
  { name: 'cancel', group: 'Ship', summary: 'Cancel a job that is queued or runs', load: async () => (await import('./cancel.ts')).cancel },
  { name: 'releases', group: 'Ship', summary: 'List the releases and deployments of an app', load: async () => (await import('./releases.ts')).releases },
  { name: 'jobs', group: 'Ship', summary: 'List the jobs, newest first', load: async () => (await import('./jobs.ts')).jobs },

  { name: 'status', group: 'Run', summary: 'Show what runs where', load: async () => (await import('./status.ts')).status },
  { name: 'logs', group: 'Run', summary: 'Print the log of an app', load: async () => (await import('./logs.ts')).logs },
  { name: 'open', group: 'Run', summary: 'Open an app in the browser', load: async () => (await import('./open.ts')).open },
  { name: 'restart', group: 'Run', summary: 'Start the released deployment afresh, without an interruption', load: async () => (await import('./lifecycle.ts')).restart },
  { name: 'stop', group: 'Run', summary: 'Stop an app and keep its data', load: async () => (await import('./lifecycle.ts')).stop },
  { name: 'start', group: 'Run', summary: 'Start a stopped app', load: async () => (await import('./lifecycle.ts')).start },

  { name: 'env list', group: 'Configure', summary: 'List an app\'s environment variables and where each comes from', load: async () => (await import('./env.ts')).envList },
  { name: 'env set', group: 'Configure', summary: 'Set environment variables', load: async () => (await import('./env.ts')).envSet },
  { name: 'env unset', group: 'Configure', summary: 'Remove environment variables', load: async () => (await import('./env.ts')).envUnset },
  { name: 'secret list', group: 'Configure', summary: 'List an app\'s secrets, never their values', load: async () => (await import('./secret.ts')).secretList },
  { name: 'secret set', group: 'Configure', summary: 'Set a secret from a prompt, standard input or a file', load: async () => (await import('./secret.ts')).secretSet },
  { name: 'secret unset', group: 'Configure', summary: 'Remove a secret', load: async () => (await import('./secret.ts')).secretUnset },

  { name: 'server status', group: 'Platform', summary: 'Show the server of this home and what it keeps running', load: async () => (await import('./server.ts')).serverStatus },
  { name: 'server stop', group: 'Platform', summary: 'Stop the server; apps go on', load: async () => (await import('./server.ts')).serverStop },
  { name: 'server logs', group: 'Platform', summary: 'Print the log of the server', load: async () => (await import('./server.ts')).serverLogs },
  { name: 'state history', group: 'Platform', summary: 'List the recorded versions of an app\'s or the platform\'s state', load: async () => (await import('./state.ts')).stateHistory },
  { name: 'state restore', group: 'Platform', summary: 'Make an earlier version of a state the newest', load: async () => (await import('./state.ts')).stateRestore },
  { name: 'state forget', group: 'Platform', summary: 'Forget a recorded resource without deleting it', load: async () => (await import('./state.ts')).stateForget },
  { name: 'destroy', group: 'Platform', summary: 'Delete an app, a project or a whole platform', load: async () => (await import('./destroy.ts')).destroy },
]

/** First words that only group: `env`, `secret`, `server`, `state`. */
export const commandFamilies: readonly string[] = [...new Set(commandTable.filter(({ name }) => name.includes(' ')).map(({ name }) => name.split(' ')[0]!))]
