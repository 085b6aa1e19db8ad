import type { LogLine } from '@pilot/core'

/** Before it is known what its reader has seen. */
export type SourceLine = Omit<LogLine, 'cursor'>

/** Lines of several writers in the order of their times; each writer's own order stays. In memory is one line of each. */
export async function* mergedByTime<T extends SourceLine>(streams: readonly AsyncGenerator<T>[]): AsyncGenerator<T> {
  const heads: { readonly stream: AsyncGenerator<T>; line: T; at: string }[] = []
  try {
    for (const stream of streams) {
      const { done, value } = await stream.next()
      if (done !== true) heads.push({ stream, line: value, at: value.at ?? '' })
    }
    while (heads.length > 0) {
      const head = heads.reduce((first, each) => (each.at < first.at ? each : first))
      yield head.line
      const { done, value } = await head.stream.next()
      if (done === true) heads.splice(heads.indexOf(head), 1)
      else Object.assign(head, { line: value, at: value.at ?? head.at })
    }
  } finally {
    for (const { stream } of heads) await stream.return(undefined).catch(() => {})
  }
}

/** The last so many; `passed` is told of the others. */
export async function* newest<T>(lines: AsyncGenerator<T>, count: number, passed: (line: T) => void = () => {}): AsyncGenerator<T> {
  const kept: T[] = []
  let first = 0
  for await (const line of lines) {
    if (count > 0) kept.push(line)
    else passed(line)
    if (kept.length - first > count) {
      passed(kept[first]!)
      first++
    }
    if (first > count) first -= kept.splice(0, first).length
  }
  yield* kept.slice(first)
}
