/** `pilot` as a function: what the command line does, in a terminal of the caller's. */
export { main } from './cli/main.ts'
export type { Environment, Terminal } from './cli/terminal.ts'
export { version } from './version.ts'
