/**
 * A command of the manifest as the words that are run. One that needs no shell runs without: signals then reach the app itself,
 * and images without a shell work.
 */
export function commandWords(command: string): readonly string[] {
  const plain = /^[\w@%+,./:-]+(?:[ \t]+[\w@%+=,./:-]+)*$/.test(command.trim())
  return plain ? command.trim().split(/[ \t]+/) : ['sh', '-c', command]
}
