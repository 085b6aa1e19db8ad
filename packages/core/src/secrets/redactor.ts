import { redactionForms } from './redaction-forms.ts'

/**
 * Keeps known secrets out of whatever is written for people: logs, errors, events. Used at the one place where lines are
 * written, not by those who produce them.
 *
 * Found are the forms of `redactionForms`: as it is, in base64, URL-encoded, in JSON; a secret of several lines is found line
 * by line. Not found: values (or lines) shorter than 6 characters, since they would blacken ordinary text; a value in
 * base64 that was wrapped to several lines; other encodings (hex, gzip, encryption).
 */
export interface Redactor {
  /** From now on. May be called while streams are open. */
  add(secret: string): void
  redact(text: string): string
  /** For output that arrives in pieces: a secret that is split between two of them is found too. */
  stream(): RedactingStream
}

export interface RedactingStream {
  /** Returns what can be shown now. Whatever may be the beginning of a secret is kept for the next call; whole lines never are. */
  push(chunk: string | Uint8Array): string
  /** Returns the rest. */
  end(): string
}

export const redactedText = '[redacted]'

export function createRedactor(secrets: Iterable<string> = []): Redactor {
  const forms = new Set<string>()
  let matcher: Matcher | undefined

  const add = (secret: string): void => {
    for (const form of redactionForms(secret)) forms.add(form)
    matcher = undefined
  }
  for (const secret of secrets) add(secret)
  const current = (): Matcher => (matcher ??= createMatcher(forms))

  return {
    add,
    redact: (text) => (forms.size === 0 ? text : text.replace(current().pattern, redactedText)),
    stream: () => redactingStream(current),
  }
}

interface Matcher {
  readonly pattern: RegExp
  readonly longest: number
  /** Where the earliest proper beginning of a form starts that the end of the text may be; `text.length` when there is none. */
  pendingFrom(text: string): number
}

function createMatcher(forms: ReadonlySet<string>): Matcher {
  // Longest first, so that a secret that contains another one leaves no rest.
  const sorted = [...forms].sort((a, b) => b.length - a.length)
  const longest = sorted[0]?.length ?? 0
  const byFirst = Map.groupBy(sorted, (form) => form[0]!)
  return {
    pattern: sorted.length === 0 ? /(?!)/g : new RegExp(sorted.map(escapePattern).join('|'), 'g'),
    longest,
    pendingFrom(text) {
      for (let start = Math.max(0, text.length - longest + 1, text.lastIndexOf('\n') + 1); start < text.length; start++) {
        const tail = text.slice(start)
        if (byFirst.get(tail[0]!)?.some((form) => form.length > tail.length && form.startsWith(tail))) return start
      }
      return text.length
    },
  }
}

const escapePattern = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

function redactingStream(current: () => Matcher): RedactingStream {
  const decoder = new TextDecoder()
  let held = ''

  return {
    push(chunk) {
      const text = held + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }))
      const { shown, rest } = redactDecided(text, current())
      held = rest
      return shown
    },
    end() {
      const text = held + decoder.decode()
      held = ''
      return text.replace(current().pattern, redactedText)
    },
  }
}

/** Redacts as far as no later piece can change what is found. No form spans lines, so a line that ended is decided. */
function redactDecided(text: string, { pattern, pendingFrom }: Matcher): { readonly shown: string; readonly rest: string } {
  const pending = pendingFrom(text)
  let shown = ''
  let position = 0
  for (const match of text.matchAll(pattern)) {
    // What starts later is undecided; what starts earlier is, even if its end may be the beginning of another secret.
    if (match.index >= pending) break
    shown += text.slice(position, match.index) + redactedText
    position = match.index + match[0].length
  }
  const decided = Math.max(position, pending)
  return { shown: shown + text.slice(position, decided), rest: text.slice(decided) }
}
