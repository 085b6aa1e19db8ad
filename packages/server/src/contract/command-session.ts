/**
 * A command with input, over a WebSocket: plain data and types, for both ends. Text messages are JSON, binary messages are bytes.
 *
 * The client opens with {@link CommandOpening}, sends its input as binary messages, never more than {@link inputWindow} bytes
 * beyond what the server said was taken, and `{ end: true }` after the last. The server sends output as binary messages whose first
 * byte is the stream, and at the end one {@link CommandResult}. The command lives as long as the connection.
 */
export interface CommandOpening {
  readonly command: readonly string[]
  /** Absent: its input is empty. */
  readonly input?: boolean
  /** It gets a terminal, of this size. */
  readonly tty?: TtySize & { readonly term?: string }
}

export interface TtySize {
  readonly columns: number
  readonly rows: number
}

export type CommandMessage = { readonly end: true } | { readonly resize: TtySize }

export type CommandNote = { readonly taken: number } | { readonly noTerminal: string }

export const inputWindow = 1024 ** 2
export const largestMessage = 64 * 1024

export const outputBytes = { stdout: 1, stderr: 2 } as const
