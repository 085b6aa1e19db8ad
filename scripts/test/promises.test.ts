import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const page = await readFile(path.join(root, 'docs/reliability.md'), 'utf8')
const promises = page.split('\n').filter((line) => /^\| [^|]+ \| .*\|$/.test(line) && !line.startsWith('| promise |'))

it('docs/reliability.md links each promise to a test, by the words of its title', async () => {
  expect(promises.length).toBeGreaterThan(30)
  const wrong: string[] = []
  for (const line of promises) {
    const links = [...line.matchAll(/\[([^\]]+)\]\(\.\.\/([^)]+\.test\.ts)\)/g)]
    if (links.length === 0) wrong.push(`no test: ${line}`)
    for (const [, title, file] of links) {
      const text = await readFile(path.join(root, file!), 'utf8').catch(() => '')
      if (!plain(text).includes(plain(title!))) wrong.push(`${file} has no "${title}"`)
    }
  }
  expect(wrong).toEqual([])
})

/** A title stands in a string of the source, in one of three kinds of quotes, with what they need escaped. */
const plain = (text: string): string => text.replaceAll('\\', '').replaceAll(/[’]/g, "'")
