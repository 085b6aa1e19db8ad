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

/** JSON that is safe to print: C1 and DEL escaped too, which JSON.stringify lets pass. */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(/[\u007f-\u009f]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`)
}
