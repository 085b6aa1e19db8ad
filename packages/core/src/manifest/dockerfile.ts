/** The only port that the last stage of a Dockerfile exposes; undefined when there is none, several or a variable. */
export function exposedPort(dockerfile: string): number | undefined {
  const lines = dockerfile.replaceAll(/\\\r?\n/g, ' ').split(/\r?\n/)
  const lastStage = lines.slice(Math.max(0, lines.findLastIndex((line) => /^\s*FROM\s/i.test(line))))
  const words = lastStage.flatMap((line) => /^\s*EXPOSE\s+(.+)$/i.exec(line)?.[1]?.trim().split(/\s+/) ?? [])
  const ports = new Set(words.filter((word) => !/\/udp$/i.test(word)).map((word) => /^(\d+)(?:\/tcp)?$/i.exec(word)?.[1]))
  const [only] = ports
  const port = ports.size === 1 && only !== undefined ? Number(only) : undefined
  return port !== undefined && port >= 1 && port <= 65_535 ? port : undefined
}
