/** Shorter values are not looked for. */
const shortestRedacted = 6

/** Every text that a secret is likely to appear as; none contains a line break. */
export function redactionForms(secret: string): readonly string[] {
  const forms = new Set<string>()
  const whole = [secret, secret.trim(), ...passwordsIn(secret.trim())]
  const lines = whole[1]!.split(/\r\n|\n|\r/).map((line) => line.trim())
  for (const value of whole) for (const form of encoded(value)) forms.add(form)
  for (const line of lines) {
    // The frame of a PEM file is no secret, and blackening it would only hide what the value is.
    if (/^-----(BEGIN|END) [A-Z0-9 ]+-----$/.test(line)) continue
    forms.add(line)
    for (const form of encoded(line)) forms.add(form)
  }
  return [...forms].filter((form) => form.length >= shortestRedacted && !/[\r\n]/.test(form))
}

/**
 * Of an address: its password, which drivers print by itself, as it stands there and decoded. Not one that is a word of the address
 * anyway (`postgres://postgres:postgres@…`), which would blacken ordinary text.
 */
function passwordsIn(secret: string): readonly string[] {
  const [, scheme = '', user = '', password = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^\s:/?#@]*):([^\s/?#]+)@/i.exec(secret) ?? []
  if (password === '' || password === user || scheme.includes(password)) return []
  return [password, decodedOr(password)]
}

function decodedOr(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function encoded(value: string): readonly string[] {
  if (value.length < shortestRedacted) return []
  return [value, ...jsonForms(value), ...urlForms(value), ...base64Forms(value)]
}

/** As in a JSON string: plain, with everything beyond ASCII escaped (Python), and with `/` escaped (PHP). */
function jsonForms(value: string): readonly string[] {
  const plain = JSON.stringify(value).slice(1, -1)
  const ascii = plain.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return [plain, ascii, plain.replaceAll('/', '\\/'), ascii.replaceAll('/', '\\/')]
}

/** As in a path, a query and a form, with escapes in upper and lower case. */
function urlForms(value: string): readonly string[] {
  // A lone surrogate has no URL form; it cannot be sent either.
  const component = encodeURIComponent(value.toWellFormed())
  const strict = component.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  const form = new URLSearchParams([['', value]]).toString().slice(1)
  const upper = [component, strict, form, encodeURI(value.toWellFormed())]
  return [...upper, ...upper.map((each) => each.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()))]
}

/**
 * Three bytes become four characters, so inside a longer text (`user:password`) a value looks in one of three ways, by
 * where it begins. The characters at either end that also depend on its neighbours are left out.
 */
function base64Forms(value: string): readonly string[] {
  const bytes = Buffer.from(value)
  const whole = bytes.toString('base64')
  const aligned = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
  })
  const forms = [whole, whole.replace(/=+$/, ''), ...aligned]
  return [...forms, ...forms.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))]
}
