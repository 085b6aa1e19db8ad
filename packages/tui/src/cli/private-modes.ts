/**
 * What programs switch on in a terminal (`ESC [ ? 1049 h`: another screen; mouse, pasting) and off again at their end. One that is
 * cut off leaves it on; `restore` is what switches that off.
 */
export interface PrivateModes {
  /** Output of the program, as it comes. */
  see(data: Uint8Array): void
  restore(): string
}

/** Longer sequences are none of these. */
const longest = 40

export function privateModes(): PrivateModes {
  const changed = new Set<number>()
  let rest = ''
  return {
    see(data) {
      const text = rest + Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1')
      let end = 0
      for (const found of text.matchAll(/\u001b\[\?([\d;]{1,30})([hl])/g)) {
        end = found.index + found[0].length
        for (const mode of found[1]!.split(';').map(Number)) {
          if ((found[2] === 'h') === usually(mode)) changed.delete(mode)
          else changed.add(mode)
        }
      }
      const begun = text.lastIndexOf('\u001b')
      rest = begun >= end && text.length - begun < longest ? text.slice(begun) : ''
    },
    restore: () => (changed.size === 0 ? '' : `${[...changed].map((mode) => `\u001b[?${mode}${usually(mode) ? 'h' : 'l'}`).join('')}\u001b[0m`),
  }
}

/** The cursor is seen and lines wrap; the rest is off. */
const usually = (mode: number): boolean => mode === 25 || mode === 7
