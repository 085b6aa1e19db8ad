/** One line as the runtimes of AWS write them: time, request, level, text. What a handler prints looks the same. */
export function logLine(level: 'INFO' | 'ERROR', text: string, requestId = '-'): void {
  process.stdout.write(`${new Date().toISOString()}\t${requestId}\t${level}\t${text}\n`)
}
