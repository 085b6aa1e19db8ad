/**
 * Whether a variable looks like a secret, by its name or by the form of its value: reason enough to ask, never to decide. Returns what
 * gave it away, without the value.
 */
export function looksSecret(name: string, value: string): string | undefined {
  if (isHarmless(value)) return undefined
  const form = forms.find(({ pattern }) => pattern.test(value))
  if (form) return form.title
  if (plainUrl.test(value) || publicName.test(name)) return undefined
  return secretName.test(name) ? 'its name says so' : undefined
}

/** Whether a word of a command, an option's value or an address in it looks like a secret by its form, or follows an option that says so. */
export function holdsSecret(command: string): boolean {
  const words = command.split(/[\s"']+/)
  return words.some((word, index) => {
    const [, option, value] = /^-{0,2}([\w-]+)=(.+)$/.exec(word) ?? []
    const before = /^--?([\w-]+)$/.exec(words[index - 1] ?? '')?.[1]
    const named = option ?? (word.startsWith('-') ? undefined : before)
    return looksSecret('', value ?? word) !== undefined || (named !== undefined && looksSecret(named.replaceAll('-', '_'), value ?? word) !== undefined)
  })
}

const secretName = /(?:^|_)(?:PASS|PASSWD|PASSWORD|PASSPHRASE|PWD|SECRETS?|TOKENS?|APIKEY|KEYS?|CREDENTIALS?|SALT|PEPPER)(?:_|$)/i
const publicName = /(?:^|_)(?:PUBLIC|PUBLISHABLE)(?:_|$)/i
const plainUrl = /^https?:\/\/[^@\s]*$/

/** Nothing, a number, a switch, or a reference to another variable. */
const isHarmless = (value: string): boolean => /^(?:\d*|true|false|yes|no|on|off|\$\{?\w+\}?)$/i.test(value.trim())

const forms = [
  { title: 'it is a private key', pattern: /-----BEGIN [A-Z ]*PRIVATE KEY/ },
  { title: 'its address holds a password', pattern: /^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:(?!\$\{?\w+\}?@)[^@/\s]+@/i },
  { title: 'it has the form of a token', pattern: /^(?:[sr]k_(?:live|test)_|whsec_|gh[a-z]_|github_pat_|glpat-|xox[a-z]-|npm_[A-Za-z0-9]{30}|SG\.[\w-]{16}|sk-[\w-]{16}|AIza[\w-]{30}|A(?:KIA|SIA)[A-Z0-9]{16}|eyJ[\w-]+\.eyJ)/ },
  { title: 'it is the address of a webhook', pattern: /^https:\/\/(?:hooks\.slack\.com\/services|discord(?:app)?\.com\/api\/webhooks)\// },
]
