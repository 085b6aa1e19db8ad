/** Why a file cannot be read, in words. */
export function fileProblem({ code, message }: NodeJS.ErrnoException): string {
  return words[code ?? ''] ?? code ?? message
}

const words: Readonly<Record<string, string>> = {
  ENOENT: 'There is no such file.',
  EISDIR: 'It is a folder.',
  ENOTDIR: 'A part of its path is no folder.',
  EACCES: 'You may not read it.',
}
