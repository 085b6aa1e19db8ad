import { catalogue, type ErrorEntry } from './catalogue.ts'

/** `docs/reference/errors.md`: the catalogue as a page, in the order of the table. */
export function errorReference(): string {
  const rows = Object.entries(catalogue).map(([code, { summary, suggestion, exit, http }]: [string, ErrorEntry]) => `| \`${code}\` | ${summary} | ${suggestion} | ${exit} | ${http} |`)
  return `# Errors

Every error carries a code, what happened, why, and what to try. Codes are part of the interface: scripts may rely on them.
With \`--json\` the last line of an operation holds the error as
\`{ "code", "message", "reason"?, "suggestion", "details"? }\`; the API answers with the same body.

Exit codes of commands: 0 done, 1 failed, 2 usage or an answer is needed, 3 held by another owner, 4 app unhealthy (the old
release kept running), 130 interrupted.

| code | what happened | what to try | exit | HTTP |
|---|---|---|---|---|
${rows.join('\n')}

This page is generated from \`packages/core/src/errors/catalogue.ts\` by \`npm run docs\`.
`
}
