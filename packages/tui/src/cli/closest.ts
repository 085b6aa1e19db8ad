import { distance } from 'fastest-levenshtein'

/** The name that was probably meant; undefined when none is near. */
export function closest(word: string, names: readonly string[]): string | undefined {
  const ranked = names.map((name) => ({ name, far: name.startsWith(word) ? 1 : distance(word, name) })).toSorted((a, b) => a.far - b.far)
  const best = ranked[0]
  return best !== undefined && best.far <= Math.max(1, Math.floor(word.length / 3)) ? best.name : undefined
}
