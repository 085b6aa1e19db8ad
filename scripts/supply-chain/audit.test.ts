import { expect, test } from 'vitest'
import { verdictOf } from './audit-verdict.ts'

const report = (vulnerabilities: object) => JSON.stringify({ auditReportVersion: 2, vulnerabilities, metadata: { dependencies: { total: 210 } } })
const found = (severity: string) => ({ tar: { name: 'tar', severity, range: '<6.2.1', via: [{ title: 'Denial of service', url: 'https://example.com/advisory' }, 'minizlib'] } })

test('nothing known is fine', () => {
  expect(verdictOf(report({}))).toEqual({ exit: 0, lines: ['No high or critical vulnerability is known in 210 packages.'] })
})

test.each(['low', 'moderate'])('what is %s is counted and fails nothing', (severity) => {
  expect(verdictOf(report(found(severity)))).toMatchObject({ exit: 0, lines: [expect.stringContaining('1 lesser one')] })
})

test.each(['high', 'critical'])('what is %s fails, with its advisory', (severity) => {
  expect(verdictOf(report(found(severity)))).toMatchObject({ exit: 1, lines: [`${severity}: tar <6.2.1`, '  Denial of service  https://example.com/advisory', '  through minizlib', expect.stringContaining('Take a version')] })
})

test.each([
  ['a registry that knows no audits', '{ "message": "405 Method Not Allowed - POST /-/npm/v1/security/advisories/bulk", "statusCode": 405 }', undefined, '405 Method Not Allowed'],
  ['no network', '{ "message": "request failed, reason: getaddrinfo ENOTFOUND" }', undefined, 'ENOTFOUND'],
  ['no npm', '', 'spawn npm ENOENT', 'ENOENT'],
  ['an answer that is no report', '<html>', undefined, 'something else than a report'],
  ['no answer', '', undefined, 'npm printed nothing'],
])('%s is told from "nothing found"', (_, answer, failure, why) => {
  const { exit, lines } = verdictOf(answer, failure)
  expect(exit).toBe(2)
  expect(lines[0]).toContain('were not checked')
  expect(lines[0]).toContain(why)
})
