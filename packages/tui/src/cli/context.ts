import { resolve } from 'node:path'
import { PilotError } from '@pilot/core/errors'
import type { Client } from '@pilot/server/client'
import type { CommandDescription } from './command-description.ts'
import { connect, connectIfRunning, type Connection } from '../client/connect.ts'
import type { Globals } from './globals.ts'
import { invokedAs, withInvocation } from './invocation.ts'
import type { Output } from './output.ts'
import { createAsker, type Asker } from './prompt.ts'
import type { Terminal } from './terminal.ts'

/** What every command gets. Nothing here is loaded or connected before a command asks for it. */
export interface CommandContext extends AsyncDisposable {
  readonly terminal: Terminal
  readonly output: Output
  readonly globals: Globals
  readonly ask: Asker
  /** Every command, for what tells of all of them. */
  commands(): Promise<readonly CommandDescription[]>
  /** How this user starts Pilot. */
  readonly form: string
  /** The folder the command acts in: `-C`, else where the user is. */
  readonly cwd: string
  /** Fires when the user interrupts and nothing else handles it. */
  readonly signal: AbortSignal
  /** Progress for people, with commands in backticks written as this user types them. */
  say(line: string): void
  /** A command as this user types it, to be shown alone. */
  typed(command: string): string
  /** The server of the home, started if need be. */
  client(): Promise<Client>
  connection(): Promise<Connection>
  /** The server of the home, only if it runs. */
  runningConnection(): Promise<Connection | undefined>
  /** Looks for the server while a command is still being loaded; starts nothing. */
  lookForServer(): void
  /** While the returned object lives, Ctrl-C calls the handler instead of ending the command. */
  onInterrupt(handler: () => void): Disposable
  /** Rejects with CANCELLED when Ctrl-C ends the command. */
  readonly interrupted: Promise<never>
}

export function createContext({ terminal, globals, output, commands }: { terminal: Terminal; globals: Globals; output: Output; commands: CommandContext['commands'] }): CommandContext {
  const form = invokedAs(terminal.env)
  const abort = new AbortController()
  const handlers: (() => void)[] = []
  const { promise: interrupted, reject } = Promise.withResolvers<never>()
  interrupted.catch(() => {})
  const stopListening = terminal.onInterrupt(() => {
    const handler = handlers.at(-1)
    if (handler !== undefined) return handler()
    const error = new PilotError('CANCELLED', 'Interrupted.', { suggestion: 'Run the command again when you are ready.' })
    abort.abort(error)
    reject(error)
  })
  const say = (line: string) => output.progress(withInvocation(line, form))

  let connection: Promise<Connection> | undefined
  let running: Promise<Connection | undefined> | undefined
  const look = (): Promise<Connection | undefined> => {
    if (running !== undefined) return running
    const looking = connectIfRunning(terminal.env, abort.signal)
    running = looking
    // What does not answer now may do so later.
    void looking.catch(() => undefined).then((found) => running === looking && found === undefined && (running = undefined))
    return looking
  }
  const context: CommandContext = {
    terminal,
    output,
    globals,
    commands,
    form,
    ask: createAsker(terminal),
    cwd: resolve(terminal.cwd, globals.dir ?? '.'),
    signal: abort.signal,
    interrupted,
    say,
    typed: (command) => `${form} ${command}`,
    lookForServer: () => void look(),
    connection: () => (connection ??= connect({ env: terminal.env, say, signal: abort.signal, running: look() })),
    client: async () => (await context.connection()).client,
    async runningConnection() {
      return await (connection ?? look())
    },
    onInterrupt(handler) {
      handlers.push(handler)
      return { [Symbol.dispose]: () => void handlers.splice(handlers.indexOf(handler), 1) }
    },
    async [Symbol.asyncDispose]() {
      stopListening()
      for (const open of [await connection?.catch(() => undefined), await running?.catch(() => undefined)]) open?.client.close()
    },
  }
  return context
}
