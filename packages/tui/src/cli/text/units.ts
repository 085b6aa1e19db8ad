/** `850 ms`, `4.2 s`, `1 min 05 s`, `2 h 10 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}

/** Whole seconds, for what is still running: `12 s`. */
export function elapsed(ms: number): string {
  return ms < 59_500 ? `${Math.max(0, Math.floor(ms / 1000))} s` : duration(ms)
}

/** `3 minutes ago`; by the minute, so that what stands still looks still. */
export function ago(at: string, now: number): string {
  const seconds = Math.round((now - Date.parse(at)) / 1000)
  if (Number.isNaN(seconds)) return at
  if (seconds < 60) return 'just now'
  const [count, unit] = seconds < 3600 ? [seconds / 60, 'minute'] : seconds < 86_400 ? [seconds / 3600, 'hour'] : [seconds / 86_400, 'day']
  const whole = Math.floor(count as number)
  return `${whole} ${unit}${whole === 1 ? '' : 's'} ago`
}

/** `512 MB`, `1.5 GB`; 1 MB is 1 048 576 bytes, as memory is counted. */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let size = count / 1024
  let unit = 0
  while (size >= 1023.5 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
