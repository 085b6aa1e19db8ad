/**
 * The forms in which a secret is looked for, written anew here: what finds leaks must not be what prevents them. Whatever is found
 * in one of them is a leak; base64 is looked for as it stands in a longer text, which begins at any of three places.
 */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  const inBase64 = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before, 'x'), bytes, Buffer.from('yy')]).toString('base64')
    return text.slice(before === 0 ? 0 : 4, -4)
  })
  const inUrl = encodeURIComponent(secret)
  const inJson = JSON.stringify(secret).slice(1, -1)
  const all = [secret, inJson, JSON.stringify(inJson).slice(1, -1), inUrl, inUrl.replace(/%../g, (each) => each.toLowerCase()), new URLSearchParams({ x: secret }).toString().slice(2), encodeURI(secret), ...inBase64, ...inBase64.map((each) => each.replaceAll('+', '-').replaceAll('/', '_'))]
  return [...new Set(all)]
}

/** Which of them stand in a text or in the bytes of a file, each with what is around it. */
export function leaksIn(where: string, content: string | Buffer, secrets: Readonly<Record<string, string>>): readonly string[] {
  const found: string[] = []
  for (const [name, secret] of Object.entries(secrets)) {
    for (const form of formsOf(secret)) {
      const at = content.indexOf(form)
      if (at < 0) continue
      const around = typeof content === 'string' ? content.slice(Math.max(0, at - 80), at) : content.subarray(Math.max(0, at - 80), at).toString('latin1')
      found.push(`${name} as ${JSON.stringify(form)} in ${where}, after ${JSON.stringify(around)}`)
    }
  }
  return found
}
