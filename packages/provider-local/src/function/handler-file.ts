import { access } from 'node:fs/promises'
import { join } from 'node:path'

export type Language = 'node' | 'python'

const endings: Readonly<Record<Language, readonly string[]>> = { node: ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'], python: ['.py'] }
const languages = Object.keys(endings) as Language[]

/** `src/index.handler` → `src/index`. */
function handlerModule(handler: string): string {
  return handler.slice(0, handler.indexOf('.', handler.lastIndexOf('/') + 1))
}

/** The language of the file that a handler names, among these files; undefined when none of them is it. */
export const languageAmong = (files: readonly string[], handler: string): Language | undefined =>
  languages.find((language) => endings[language].some((ending) => files.includes(handlerModule(handler) + ending)))

/** The same for the files of a folder. */
export async function languageIn(folder: string, handler: string): Promise<Language | undefined> {
  const candidates = languages.flatMap((language) => endings[language].map((ending) => ({ language, path: join(folder, handlerModule(handler) + ending) })))
  const found = await Promise.all(candidates.map(({ path }) => access(path).then(() => true, () => false)))
  return candidates.find((_, index) => found[index])?.language
}

/** What is looked for, for people. */
export const handlerFiles = (handler: string): string => `${handlerModule(handler)}{${languages.flatMap((language) => endings[language]).join(',')}}`
