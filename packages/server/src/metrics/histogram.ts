/** How many answers took up to so many milliseconds, each counted once; the last one has no bound. Ascending. */
export type Histogram = readonly { readonly upToMs: number | undefined; readonly count: number }[]

const totalOf = (histogram: Histogram): number => histogram.reduce((sum, { count }) => sum + count, 0)

/** Adds counts by bound; another version may count by other bounds. */
export function mergeHistograms(histograms: readonly Histogram[]): Histogram {
  const counts = new Map<number | undefined, number>()
  for (const { upToMs, count } of histograms.flat()) counts.set(upToMs, (counts.get(upToMs) ?? 0) + count)
  return [...counts].map(([upToMs, count]) => ({ upToMs, count })).toSorted((a, b) => (a.upToMs ?? Infinity) - (b.upToMs ?? Infinity))
}

/** The time within which this share of all answers came, milliseconds: linear within a bucket, and the last bound beyond it. Undefined without any. */
export function percentile(histogram: Histogram, share: number): number | undefined {
  const total = totalOf(histogram)
  if (total === 0) return undefined
  const wanted = total * share
  let seen = 0
  let lower = 0
  for (const { upToMs, count } of histogram) {
    if (upToMs === undefined) return lower
    if (count > 0 && seen + count >= wanted) return lower + ((upToMs - lower) * (wanted - seen)) / count
    seen += count
    lower = upToMs
  }
  return lower
}
