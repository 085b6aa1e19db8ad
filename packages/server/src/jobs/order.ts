/** An app and the apps that must be there before it. */
export interface Dependent {
  readonly name: string
  readonly needs: readonly string[]
}

export interface Ordered {
  readonly name: string
  /** Those of `needs` that come before it. */
  readonly after: readonly string[]
}

/**
 * Apps in an order in which each comes after what it needs; else as given. Names that are not among them count as there.
 * Two apps may use each other: the one that was named first then goes first, without waiting.
 */
export function orderApps(apps: readonly Dependent[]): readonly Ordered[] {
  const byName = new Map(apps.map((app) => [app.name, app]))
  const ordered = new Map<string, Ordered>()
  const visiting = new Set<string>()

  const visit = ({ name, needs }: Dependent): void => {
    if (ordered.has(name) || visiting.has(name)) return
    visiting.add(name)
    for (const need of needs) {
      const app = byName.get(need)
      if (app !== undefined && need !== name) visit(app)
    }
    visiting.delete(name)
    ordered.set(name, { name, after: needs.filter((need) => need !== name && ordered.has(need)) })
  }
  apps.forEach(visit)
  return [...ordered.values()]
}
