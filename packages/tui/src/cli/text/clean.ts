import { stripVTControlCharacters } from 'node:util'

// C0 but tab and newline, DEL, C1, and the characters that reorder text (they can make a line read as another).
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/**
 * Makes text of others (logs, names, messages of an app) safe to print: no escape sequence reaches the terminal, so it can
 * neither move the cursor nor set a title nor answer in the user's name. Newlines stay; tabs become two spaces.
 */
export function clean(text: string): string {
  return stripVTControlCharacters(text).replace(/\r\n/g, '\n').replace(unsafe, '').replaceAll('\t', '  ')
}

/** {@link clean} for what must stay on one line. */
export function cleanLine(text: string): string {
  return clean(text).replaceAll('\n', ' ').trimEnd()
}

/** The border: what goes to a terminal or a pipe holds no control sequence but those of `style.ts`, whoever forgot to clean its parts. Tabs stay. */
export function printable(text: string, { color }: { color: boolean }): string {
  if (text.search(unsafe) < 0) return text
  const plain = (part: string): string => stripVTControlCharacters(part).replace(/\r\n/g, '\n').replace(unsafe, '')
  return color ? text.split(ownStyle).map((part, index) => (index % 2 === 1 ? part : plain(part))).join('') : plain(text)
}

/** Bold, dim, four colours, and their ends. */
const ownStyle = /(\u001b\[(?:1|2|22|31|32|33|36|39)m)/

/** JSON that is safe to print: also what JSON.stringify lets pass (DEL, C1, what reorders text) is escaped. */
export function safeJson(value: unknown, indent?: number): string {
  return escaped(JSON.stringify(value, undefined, indent))
}

/** The same for JSON that is text already. */
export function escaped(json: string): string {
  return json.replace(unsafe, (character) => (character === '\r' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`))
}
