export type CommandGroup = 'Start' | 'Ship' | 'Run' | 'Configure' | 'Platform'

interface Row {
  readonly name: string
  readonly group: CommandGroup
  readonly summary: string
}

/** Every command, in the order of the help: names and summaries, which need no command's code. A test compares them with the definitions. */
export const commandTable = [
  { name: 'doctor', group: 'Start', summary: 'Check this machine, and say how to get what is missing' },
  { name: 'init', group: 'Start', summary: 'Write pilot.yaml for the app in this folder' },
  { name: 'import', group: 'Start', summary: 'Write pilot.yaml from the file of another tool' },
  { name: 'install-cli', group: 'Start', summary: 'Make `pilot` a command that this user can type anywhere' },
  { name: 'completion', group: 'Start', summary: 'Print what completes commands in bash, zsh or fish' },
  { name: 'help', group: 'Start', summary: 'Show the help of a command, or print the manual page' },
  { name: 'setup', group: 'Start', summary: 'Create a platform, or list the providers' },

  { name: 'up', group: 'Ship', summary: 'Build, deploy and release a folder, and print its URL' },
  { name: 'build', group: 'Ship', summary: 'Build an app and stop there' },
  { name: 'deploy', group: 'Ship', summary: 'Deploy the newest build, without traffic' },
  { name: 'release', group: 'Ship', summary: 'Give the traffic to a deployment' },
  { name: 'rollback', group: 'Ship', summary: 'Release an earlier deployment again' },
  { name: 'cancel', group: 'Ship', summary: 'Cancel a job that is queued or runs' },
  { name: 'releases', group: 'Ship', summary: 'List the releases and deployments of an app' },
  { name: 'jobs', group: 'Ship', summary: 'List the jobs, newest first' },

  { name: 'status', group: 'Run', summary: 'Show what runs where' },
  { name: 'logs', group: 'Run', summary: 'Print the logs of apps' },
  { name: 'metrics', group: 'Run', summary: 'Show requests, errors, latency, processor and memory of apps' },
  { name: 'history', group: 'Run', summary: 'Show who did what, when, and how it ended' },
  { name: 'open', group: 'Run', summary: 'Open an app in the browser' },
  { name: 'run', group: 'Run', summary: 'Run a command once, with the app\'s code and environment' },
  { name: 'exec', group: 'Run', summary: 'Run a command inside a running instance' },
  { name: 'invoke', group: 'Run', summary: 'Call a function with an event, and print its result' },
  { name: 'queue', group: 'Run', summary: 'Show the queue of a function, and what failed in it' },
  { name: 'queue retry', group: 'Run', summary: 'Try messages again that failed too often' },
  { name: 'queue purge', group: 'Run', summary: 'Delete messages of a queue' },
  { name: 'cron', group: 'Run', summary: 'List what runs on a schedule, and what became of it' },
  { name: 'cron run', group: 'Run', summary: 'Run a cron job now' },
  { name: 'cron history', group: 'Run', summary: 'List the runs of cron jobs, newest first' },
  { name: 'cron logs', group: 'Run', summary: 'Print what a run of a cron job wrote' },
  { name: 'restart', group: 'Run', summary: 'Start the released deployment afresh, without an interruption' },
  { name: 'scale', group: 'Run', summary: 'Run more or fewer instances of an app and its processes, or show how many' },
  { name: 'stop', group: 'Run', summary: 'Stop an app and keep its data' },
  { name: 'start', group: 'Run', summary: 'Start a stopped app' },

  { name: 'env list', group: 'Configure', summary: 'List an app\'s environment variables and where each comes from' },
  { name: 'env set', group: 'Configure', summary: 'Set environment variables' },
  { name: 'env unset', group: 'Configure', summary: 'Remove environment variables' },
  { name: 'env import', group: 'Configure', summary: 'Set environment variables from a dotenv file' },
  { name: 'env history', group: 'Configure', summary: 'List the versions of an app\'s configuration' },
  { name: 'env diff', group: 'Configure', summary: 'Show what differs between two versions of a configuration' },
  { name: 'env restore', group: 'Configure', summary: 'Go back to the values of an earlier version' },
  { name: 'secret list', group: 'Configure', summary: 'List an app\'s secrets, never their values' },
  { name: 'secret set', group: 'Configure', summary: 'Set a secret from a prompt, standard input or a file' },
  { name: 'secret unset', group: 'Configure', summary: 'Remove a secret' },
  { name: 'db info', group: 'Configure', summary: 'Show the database of an app: size, connections, how it is reached' },
  { name: 'db psql', group: 'Configure', summary: 'Open a prompt for SQL on the database of an app' },
  { name: 'db users', group: 'Configure', summary: 'List the logins of an app\'s database' },
  { name: 'db backup', group: 'Configure', summary: 'Back up the database of an app' },
  { name: 'db backups', group: 'Configure', summary: 'List the backups of an app\'s database, newest first' },
  { name: 'db backups delete', group: 'Configure', summary: 'Delete a backup of an app\'s database' },
  { name: 'db restore', group: 'Configure', summary: 'Put a backup in the place of an app\'s database' },
  { name: 'volumes list', group: 'Configure', summary: 'List the volumes of an app: where they are, and how much lies in them' },
  { name: 'volumes delete', group: 'Configure', summary: 'Delete a volume that no version has any more, with its data' },
  { name: 'domains', group: 'Configure', summary: 'Show the domains of apps: where each points, and its certificate' },
  { name: 'domains renew', group: 'Configure', summary: 'Renew the certificate of a domain now' },
  { name: 'domains ca', group: 'Configure', summary: 'Print the path of the certificate of this machine\'s authority' },
  { name: 'domains trust', group: 'Configure', summary: 'Have this machine and its browsers trust the authority of this home' },

  { name: 'server status', group: 'Platform', summary: 'Show the server of this home and what it keeps running' },
  { name: 'server start', group: 'Platform', summary: 'Start the server, and everything of this home that was stopped' },
  { name: 'server stop', group: 'Platform', summary: 'Stop the server; apps go on' },
  { name: 'server upgrade', group: 'Platform', summary: 'Bring what runs to the Pilot that is installed; apps go on' },
  { name: 'server logs', group: 'Platform', summary: 'Print the log of the server' },
  { name: 'server install', group: 'Platform', summary: 'Start Pilot and its apps when this user logs in' },
  { name: 'server uninstall', group: 'Platform', summary: 'Start nothing at login any more' },
  { name: 'state history', group: 'Platform', summary: 'List the recorded versions of an app\'s or the platform\'s state' },
  { name: 'state restore', group: 'Platform', summary: 'Make an earlier version of a state the newest' },
  { name: 'state forget', group: 'Platform', summary: 'Forget a recorded resource without deleting it' },
  { name: 'notifications add', group: 'Platform', summary: 'Tell somebody of failures: by webhook, e-mail or a command' },
  { name: 'notifications list', group: 'Platform', summary: 'List who is told of failures, and whether that works' },
  { name: 'notifications test', group: 'Platform', summary: 'Send a test to a notification channel' },
  { name: 'notifications remove', group: 'Platform', summary: 'Remove a notification channel' },
  { name: 'provider list', group: 'Platform', summary: 'List the providers that are installed' },
  { name: 'provider add', group: 'Platform', summary: 'Install a provider that somebody else has made' },
  { name: 'destroy', group: 'Platform', summary: 'Delete an app, a project or a whole platform' },
  { name: 'uninstall', group: 'Platform', summary: 'Remove everything of this home from this machine' },
] as const satisfies readonly Row[]

export type CommandRow = (typeof commandTable)[number]
export type CommandName = CommandRow['name']

const singles: readonly string[] = commandTable.map(({ name }) => name).filter((name) => !name.includes(' '))

/** First words that only group: `env`, `secret`, `server`, `state`. `domains` and `cron` are commands too, and group none. */
export const commandFamilies: readonly string[] = [...new Set(commandTable.filter(({ name }) => name.includes(' ')).map(({ name }) => name.split(' ')[0]!))].filter((word) => !singles.includes(word))
