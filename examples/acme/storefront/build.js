import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'

/** Copies `src` to `dist`, with the hash of each file's content in its name, so that browsers may keep it for ever. */
const company = process.env.COMPANY ?? 'ACME Corporation'

await rm('dist', { recursive: true, force: true })
await mkdir('dist/assets', { recursive: true })
let page = (await readFile('src/index.html', 'utf8')).replaceAll('%COMPANY%', company)
for (const name of ['shop.js', 'shop.css']) {
  const content = await readFile(`src/${name}`)
  const [stem, extension] = name.split('.')
  const hashed = `assets/${stem}-${createHash('sha256').update(content).digest('hex').slice(0, 8)}.${extension}`
  await writeFile(`dist/${hashed}`, content)
  page = page.replaceAll(name, hashed)
}
await writeFile('dist/index.html', page)
console.log(`built the storefront of ${company}`)
