import type { ErrorBody } from '@pilot/core'
import type { Topic } from '../contract/notifications.ts'

/** What may be told, and which topic each event belongs to. Documented in docs/notifications.md. */
export const topicOf = {
  'operation.failed': 'failed',
  'canary.failed': 'failed',
  'schedule.failed': 'failed',
  'app.unhealthy': 'unhealthy',
  'app.recovered': 'unhealthy',
  'disk.full': 'disk',
  'disk.recovered': 'disk',
  'certificate.expiring': 'certificate',
  'certificate.renewed': 'certificate',
} as const satisfies Record<string, Topic>
export type NoticeEvent = keyof typeof topicOf | 'test'

/** Something that people want to know. Without secrets: what it holds went through a redactor. */
export interface Notice {
  readonly event: NoticeEvent
  /** Name of the platform. */
  readonly platform: string
  readonly project?: string
  readonly environment?: string
  readonly apps?: readonly string[]
  /** One line. */
  readonly title: string
  /** More lines, if there is more to say. */
  readonly text?: string
  readonly operation?: string
  readonly action?: string
  readonly by?: string
  readonly error?: Pick<ErrorBody, 'code' | 'message' | 'reason' | 'suggestion'>
}
