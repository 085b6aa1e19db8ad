import type { SourceFacts } from '../provider/builder.ts'

/** Why an app seems to need PostgreSQL: shown to the user, who decides. */
export interface DatabaseEvidence {
  readonly file: string
  /** From 1; absent when it is the file as a whole. */
  readonly line?: number
  /** For people: "pg in package.json". */
  readonly reason: string
}

const nodeClients = ['pg', 'postgres', 'pg-promise', 'pg-native', 'slonik', '@neondatabase/serverless', '@vercel/postgres', 'postgraphile', 'pg-boss', 'graphile-worker']
const pythonClients = /^\s*["']?(psycopg2-binary|psycopg2|psycopg|asyncpg|pg8000|aiopg|psycopg-binary)\b/m
const goClients = /\b(github\.com\/(?:lib\/pq|jackc\/pgx\/v\d+|jackc\/pgx|go-pg\/pg(?:\/v\d+)?)|gorm\.io\/driver\/postgres|github\.com\/uptrace\/bun\/driver\/pgdriver)\b/
const otherDatabases = /\b(?:mysql|mysql2|mariadb|sqlite|sqlite3|better-sqlite3|mongodb|mongoose|mssql)\b/i
const sourceFile = /\.(?:[cm]?[jt]sx?|py|go|rb|php|java|kt|rs|ex|exs|cs|yaml|yml|toml|json)$/
const maxFiles = 300

/** A PostgreSQL client among the dependencies, a Prisma schema for it, or DATABASE_URL in the code of an app without another database. */
export function detectDatabase(facts: SourceFacts): DatabaseEvidence | undefined {
  return fromPackageJson(facts) ?? fromPython(facts) ?? fromGo(facts) ?? fromPrisma(facts) ?? fromOthers(facts) ?? fromCode(facts)
}

function fromPackageJson(facts: SourceFacts): DatabaseEvidence | undefined {
  const text = facts.text('package.json')
  let dependencies: unknown
  try {
    dependencies = text === undefined ? undefined : (JSON.parse(text) as { dependencies?: unknown } | null)?.dependencies
  } catch {
    return undefined
  }
  if (typeof dependencies !== 'object' || dependencies === null) return undefined
  const found = nodeClients.find((name) => Object.hasOwn(dependencies, name))
  return found ? at(facts, 'package.json', `"${found}"`, found) : undefined
}

function fromPython(facts: SourceFacts): DatabaseEvidence | undefined {
  for (const file of ['requirements.txt', 'pyproject.toml', 'Pipfile', 'requirements/base.txt', 'requirements/production.txt']) {
    const text = facts.text(file)
    const found = text === undefined ? undefined : (pythonClients.exec(text)?.[1] ?? /["'](psycopg2?(?:-binary)?|asyncpg|pg8000)(?:\[[^\]]*\])?\s*[~=<>!"']/.exec(text)?.[1])
    if (found) return at(facts, file, found, found)
  }
  return undefined
}

function fromGo(facts: SourceFacts): DatabaseEvidence | undefined {
  const found = goClients.exec(facts.text('go.mod') ?? '')?.[1]
  return found ? at(facts, 'go.mod', found, found) : undefined
}

function fromPrisma(facts: SourceFacts): DatabaseEvidence | undefined {
  for (const file of facts.files.filter((path) => path.endsWith('.prisma'))) {
    if (/provider\s*=\s*"postgresql"/.test(facts.text(file) ?? '')) return at(facts, file, 'postgresql', 'provider postgresql')
  }
  return undefined
}

function fromOthers(facts: SourceFacts): DatabaseEvidence | undefined {
  const gem = /^\s*gem\s+["']pg["']/m.exec(facts.text('Gemfile') ?? '')
  if (gem) return at(facts, 'Gemfile', gem[0].trim(), 'pg')
  const composer = /"ext-pdo_pgsql"|"ext-pgsql"/.exec(facts.text('composer.json') ?? '')
  return composer ? at(facts, 'composer.json', composer[0], composer[0].replaceAll('"', '')) : undefined
}

/** A mention is weaker: it counts only when nothing speaks for another database. */
function fromCode(facts: SourceFacts): DatabaseEvidence | undefined {
  const declared = ['package.json', 'requirements.txt', 'pyproject.toml', 'go.mod', 'Gemfile', 'composer.json'].map((file) => facts.text(file) ?? '').join('\n')
  if (otherDatabases.test(declared)) return undefined
  for (const file of facts.files.filter((path) => sourceFile.test(path) && !/(?:^|\/)(?:tests?|__tests__|docs|\.github)\//.test(path) && !/\.(?:test|spec)\./.test(path)).slice(0, maxFiles)) {
    const text = facts.text(file)
    if (text && /\bDATABASE_URL\b/.test(text) && !otherDatabases.test(text)) return at(facts, file, 'DATABASE_URL', 'DATABASE_URL')
  }
  return undefined
}

function at(facts: SourceFacts, file: string, needle: string, what: string): DatabaseEvidence {
  const index = (facts.text(file) ?? '').split('\n').findIndex((line) => line.includes(needle))
  return { file, ...(index < 0 ? {} : { line: index + 1 }), reason: `${what} in ${file}` }
}
