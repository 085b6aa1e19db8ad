import { Document, isMap, visit } from 'yaml'
import type { Manifest } from './schema.ts'

/** Where the editor finds the schema: `init` writes it there. */
const schemaComment = 'yaml-language-server: $schema=.pilot/schema.json'

/** The text of a manifest: keys in the order they are given, small maps and lists on one line, the schema's comment on top. */
export function writeManifest(manifest: Manifest): string {
  const document = new Document(manifest)
  visit(document, {
    Collection(_key, node, path) {
      // project / apps / the app / its keys: below that, one line.
      if (path.filter((parent) => isMap(parent)).length >= 3 || (isMap(node) && node.items.length === 0) || !isMap(node)) {
        node.flow = true
        return visit.SKIP
      }
      return undefined
    },
  })
  return `# ${schemaComment}\n${document.toString({ lineWidth: 0, flowCollectionPadding: true })}`
}
