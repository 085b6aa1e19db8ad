export interface Verdict {
  /** 0 nothing that must be mended, 1 something is, 2 nobody answered. */
  readonly exit: 0 | 1 | 2
  readonly lines: readonly string[]
}

interface Vulnerability {
  readonly name: string
  readonly severity: string
  readonly range: string
  /** Advisories, or names of packages that this one is affected through. */
  readonly via: readonly (string | { readonly title: string; readonly url: string })[]
}

interface Report {
  readonly message?: string
  readonly vulnerabilities?: Readonly<Record<string, Vulnerability>>
  readonly metadata?: { readonly dependencies?: { readonly total?: number } }
}

const mended = ['high', 'critical']

/** What the answer of `npm audit --json` means. `failure`: why there is none. */
export function verdictOf(answer: string, failure?: string): Verdict {
  const report = parse(answer)
  if (report?.vulnerabilities === undefined) {
    const why = failure ?? report?.message ?? (answer.trim() === '' ? 'npm printed nothing' : 'npm printed something else than a report')
    return { exit: 2, lines: [`Known vulnerabilities were not checked: the registry does not answer audits (${why.replaceAll(/\s+/g, ' ')}).`, 'Run `npm run audit` where the registry of npm itself, or one that passes audits on, can be reached.'] }
  }
  const found = Object.values(report.vulnerabilities)
  const severe = found.filter(({ severity }) => mended.includes(severity))
  const rest = found.length - severe.length
  if (severe.length === 0) return { exit: 0, lines: [`No high or critical vulnerability is known in ${report.metadata?.dependencies?.total ?? 'the'} packages${rest === 0 ? '' : `; ${rest} lesser ${rest === 1 ? 'one' : 'ones'}: npm audit --omit=dev`}.`] }
  return { exit: 1, lines: [...severe.flatMap(linesOf), 'Take a version without it; where there is none, replace the package.'] }
}

function linesOf({ name, severity, range, via }: Vulnerability): readonly string[] {
  const advisories = via.map((each) => (typeof each === 'string' ? `through ${each}` : `${each.title}  ${each.url}`))
  return [`${severity}: ${name} ${range}`, ...advisories.map((each) => `  ${each}`)]
}

function parse(text: string): Report | undefined {
  try {
    return JSON.parse(text) as Report
  } catch {
    return undefined
  }
}
