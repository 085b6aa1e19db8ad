import { isPilotError } from '@pilot/core/errors'
import { describe, expect, test } from 'vitest'
import { readHcl } from './hcl.ts'

const attributesOf = async (text: string) => Object.fromEntries([...(await readHcl({ text, file: 'a.hcl' })).attributes].map(([name, { value }]) => [name, value]))
const literal = (value: unknown) => ({ kind: 'literal', value })

describe('HCL', () => {
  test('values', async () => {
    expect(
      await attributesOf(`
a = "x \\"y\\" \\n \\u00e9 $\${z}" # comment
b = 1.5
c = true
d = null
e = ["a", 2]
f = { g = "h", "i" : -1 } // comment
j = var.k
l = " m-é \${var.n} \${ var.o }"
o = dynamic("vault", { path = "p" })
p = <<EOF
one
  two
EOF
q = <<-EOF
    one
      two
  EOF
r = v ? 1 : 2
s = " "
`),
    ).toEqual({
      a: literal('x "y" \n é ${z}'),
      b: literal(1.5),
      c: literal(true),
      d: literal(null),
      e: { kind: 'list', items: [literal('a'), literal(2)] },
      f: { kind: 'map', entries: [{ key: 'g', value: literal('h'), line: 7 }, { key: 'i', value: { kind: 'expression', text: '-1' }, line: 7 }] },
      j: { kind: 'expression', text: 'var.k' },
      l: { kind: 'template', parts: [literal(' m-é '), { kind: 'expression', text: 'var.n' }, literal(' '), { kind: 'expression', text: 'var.o' }] },
      o: { kind: 'call', name: 'dynamic', text: 'dynamic("vault", { path = "p" })' },
      p: literal('one\n  two\n'),
      q: literal('one\n  two\n'),
      r: { kind: 'expression', text: 'v ? 1 : 2' },
      s: literal(' '),
    })
  })

  test('blocks with labels and lines', async () => {
    const { blocks } = await readHcl({ text: '\r\napp "web" {\r\n  build {\r\n    use "docker" {}\r\n  }\r\n}\r\n', file: 'a.hcl' })
    expect(blocks).toMatchObject([{ type: 'app', labels: ['web'], line: 2, body: { blocks: [{ type: 'build', labels: [], line: 3, body: { blocks: [{ type: 'use', labels: ['docker'], line: 4 }] } }] } }])
  })

  test.each([
    ['a = [1,', /^a\.hcl:1:\d+: /],
    ['a = 1\napp "x" {\n  b = {\n}\n', /^a\.hcl:\d:\d+: /],
    ['<html>', /^a\.hcl:1:1: /],
  ])('%j is refused with its place', async (text, message) => {
    const error: unknown = await readHcl({ text, file: 'a.hcl' }).catch((error: unknown) => error)
    expect(isPilotError(error) && error.message).toMatch(message)
  })

  test('nothing at all is an empty file', async () => {
    expect(await attributesOf('# nothing\n')).toEqual({})
  })
})
