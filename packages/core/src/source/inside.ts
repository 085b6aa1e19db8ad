import { posix } from 'node:path'

/** Whether a relative path with forward slashes leads out of where it starts, by its text alone. */
export function leavesRoot(path: string): boolean {
  const normal = posix.normalize(path)
  return posix.isAbsolute(normal) || normal === '..' || normal.startsWith('../')
}

/**
 * Whether a path stays inside when the links on its way are followed. `links` maps the paths of links to their targets.
 * A link to `..` looks harmless alone and leads out below another link, so text alone does not tell.
 */
export function staysInside(path: string, links: ReadonlyMap<string, string>): boolean {
  const waiting = path.split('/')
  const at: string[] = []
  for (let steps = 0; waiting.length > 0; steps++) {
    if (steps > 2000) return false
    const part = waiting.shift() as string
    if (part === '' || part === '.') continue
    if (part === '..') {
      if (at.pop() === undefined) return false
      continue
    }
    at.push(part)
    const target = links.get(at.join('/'))
    if (target === undefined) continue
    if (posix.isAbsolute(target)) return false
    at.pop()
    waiting.unshift(...target.split('/'))
  }
  return true
}
