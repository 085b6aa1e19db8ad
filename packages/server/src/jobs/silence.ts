/**
 * How long heartbeats have stood still while somebody looked. Times in rows tell nothing after a machine slept, its clock jumped or everything
 * was frozen: then all are old at once, although nobody is dead. So a silence is what was seen again and again.
 */
export interface Silence {
  /** What beats now; returns for how long each has stood still, milliseconds. What is left out is forgotten. */
  look(beating: readonly { readonly id: string; readonly beat: string }[]): ReadonlyMap<string, number>
}

/** `lookMs`: how often it looks. A longer time between two looks was a sleep of this process too, and counts little. */
export function watchSilence({ lookMs, now = () => performance.now() }: { readonly lookMs: number; readonly now?: () => number }): Silence {
  let known = new Map<string, { readonly beat: string; readonly silentMs: number }>()
  let lookedAt = now()
  return {
    look(beating) {
      const passed = Math.min(now() - lookedAt, 2 * lookMs)
      lookedAt = now()
      known = new Map(beating.map(({ id, beat }) => {
        const before = known.get(id)
        return [id, { beat, silentMs: before?.beat === beat ? before.silentMs + passed : 0 }]
      }))
      return new Map([...known].map(([id, { silentMs }]) => [id, silentMs]))
    },
  }
}
