/** What the program of a queue is told, as JSON in its environment. */
export interface QueueConfig {
  readonly folder: string
  readonly port: number
  readonly token: string
}

export const queueVariable = 'PILOT_QUEUE'
