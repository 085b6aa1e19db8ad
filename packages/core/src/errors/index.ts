/** `@pilot/core/errors`: errors alone, for programs that must start fast. */
export { catalogue, type ErrorCode, type ErrorEntry } from './catalogue.ts'
export { errorBody, errorFromBody, isPilotError, PilotError, toPilotError, type ErrorBody, type PilotErrorOptions } from './pilot-error.ts'
