import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { pilotSchema, pilotSchemaText } from './json-schema.ts'
import { parseManifest } from './parse-manifest.ts'
import { keysNotAppliedYet } from './unapplied.ts'

interface Node {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly additionalProperties?: Node | boolean
  readonly anyOf?: readonly Node[]
  readonly items?: Node
}

describe('the published schema', () => {
  it('is what docs/reference/pilot.schema.json holds; `npm run docs` writes it anew', async () => {
    expect(await readFile(new URL('../../../../docs/reference/pilot.schema.json', import.meta.url), 'utf8')).toBe(pilotSchemaText())
  })

  it('describes every key, and allows no other', () => {
    const keys = keysOf(pilotSchema() as Node, '')
    expect(keys.length).toBeGreaterThan(60)
    for (const { path, node } of keys) expect(node.description, path).toMatch(/\S/)
  })

})

describe('docs/manifest.md', () => {
  const page = readFile(new URL('../../../../docs/manifest.md', import.meta.url), 'utf8')

  it('explains every key of an app, and no other', async () => {
    const { properties } = (pilotSchema() as { properties: { apps: { additionalProperties: Required<Node> } } }).properties.apps.additionalProperties
    const explained = new Set([...(await page).matchAll(/^### `(\w+)`/gm)].map(([, key]) => key))
    expect(explained).toEqual(new Set(['project', 'apps', ...Object.keys(properties)]))
  })

  it('has examples that are valid', async () => {
    const examples = [...(await page).matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text]) => text as string)
    expect(examples.length).toBeGreaterThan(25)
    for (const example of examples) {
      const keys = example.replaceAll(/^(?=.)/gm, '    ')
      const text = example.startsWith('project:') ? example : `project: x\napps:\n  mailer: {}\n  other-app: { database: postgres }\n  web:\n${keys}`
      expect(() => parseManifest({ text, file: example })).not.toThrow()
    }
  })

  it('names the keys that are not applied yet', async () => {
    const [, section = ''] = (await page).split('## What this version does not apply yet')
    for (const key of keysNotAppliedYet) expect(section).toContain(key === 'source.git' ? '`source: { git }`' : `\`${key}\``)
  })
})

function keysOf(node: Node, path: string): { path: string; node: Node }[] {
  const own = Object.entries(node.properties ?? {}).flatMap(([key, child]) => [{ path: `${path}.${key}`, node: child }, ...keysOf(child, `${path}.${key}`)])
  if (node.properties) expect(node.additionalProperties, path).toBe(false)
  const below = [...(node.anyOf ?? []), ...(typeof node.additionalProperties === 'object' ? [node.additionalProperties] : []), ...(node.items ? [node.items] : [])]
  return [...own, ...below.flatMap((child) => keysOf(child, path))]
}
