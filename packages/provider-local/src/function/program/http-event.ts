/** Between HTTP and the payloads of Lambda's function URLs, version 2.0, both ways. Pure. */

export interface HttpRequest {
  readonly requestId: string
  readonly method: string
  /** With its query, as it came. */
  readonly target: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Buffer
  readonly at: Date
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Buffer
}

export function httpEvent({ requestId, method, target, headers, body, at }: HttpRequest): object {
  const [path = '/', query = ''] = split(target)
  const { cookie, ...rest } = headers
  const cookies = [cookie ?? []].flat().flatMap((line) => line.split(/;\s*/)).filter((one) => one !== '')
  const text = body.length > 0 ? textOf(body, String(rest['content-type'] ?? '')) : undefined
  const parameters = queryOf(query)
  const host = String(rest['host'] ?? 'localhost')
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    ...(cookies.length > 0 ? { cookies } : {}),
    headers: Object.fromEntries(Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : [[name, [value].flat().join(',')]]))),
    ...(Object.keys(parameters).length > 0 ? { queryStringParameters: parameters } : {}),
    requestContext: {
      accountId: 'anonymous',
      apiId: 'local',
      domainName: host.replace(/:\d+$/, ''),
      domainPrefix: host.split(/[.:]/)[0] ?? '',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: sourceOf(rest['x-forwarded-for']), userAgent: String(rest['user-agent'] ?? '') },
      requestId,
      routeKey: '$default',
      stage: '$default',
      time: accessLogTime(at),
      timeEpoch: at.getTime(),
    },
    ...(body.length === 0 ? {} : { body: text ?? body.toString('base64') }),
    isBase64Encoded: body.length > 0 && text === undefined,
  }
}

/** Of what a handler returned. Without a statusCode the whole of it is the body. A string says what is wrong with it. */
export function httpAnswer(payload: Buffer): HttpAnswer | string {
  const value = parse(payload)
  if (value === undefined) return 'it returned something that is no JSON'
  if (typeof value !== 'object' || value === null || !('statusCode' in value)) return { status: 200, headers: { 'content-type': 'application/json' }, body: payload }
  const { statusCode, headers, cookies, body, isBase64Encoded } = value as Record<string, unknown>
  const status = Number(statusCode)
  if (!Number.isInteger(status) || status < 200 || status > 599) return `statusCode is ${JSON.stringify(statusCode)}`
  if (body !== undefined && body !== null && typeof body !== 'string') return `body is ${Array.isArray(body) ? 'a list' : `of type ${typeof body}`}, and has to be a string: use JSON.stringify`
  const given = Object.entries((headers ?? {}) as object).flatMap(([name, one]) => (isHeader(name, one) ? [[name.toLowerCase(), String(one)] as const] : []))
  const setCookie = Array.isArray(cookies) ? cookies.map(String).filter((one) => isHeader('set-cookie', one)) : []
  return {
    status,
    headers: { 'content-type': 'application/json', ...Object.fromEntries(given), ...(setCookie.length > 0 ? { 'set-cookie': setCookie } : {}) },
    body: Buffer.from(body ?? '', isBase64Encoded === true ? 'base64' : 'utf8'),
  }
}

/** What is between a client and us is ours to say. */
const notTheirs = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding', 'upgrade'])
const isHeader = (name: string, value: unknown): boolean => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && !notTheirs.has(name.toLowerCase()) && /^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(String(value))

function split(target: string): readonly string[] {
  const at = target.indexOf('?')
  return at === -1 ? [target] : [target.slice(0, at), target.slice(at + 1)]
}

/** What stands several times is joined by commas. */
function queryOf(query: string): Record<string, string> {
  const found = new Map<string, string[]>()
  for (const [name, value] of new URLSearchParams(query)) found.set(name, [...(found.get(name) ?? []), value])
  return Object.fromEntries([...found].map(([name, values]) => [name, values.join(',')]))
}

const isText = /^(?:text\/|application\/(?:json|javascript|xml)\b|application\/[\w.-]+\+(?:json|xml)\b)/i

/** Undefined: it goes as base64. */
function textOf(body: Buffer, type: string): string | undefined {
  if (!isText.test(type)) return undefined
  const text = body.toString('utf8')
  return Buffer.from(text, 'utf8').equals(body) ? text : undefined
}

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'))
  } catch {
    return undefined
  }
}

/** The edge, which is the last before us, adds the address that it saw. */
const sourceOf = (forwarded: string | readonly string[] | undefined): string => [forwarded ?? []].flat().join(',').split(',').at(-1)?.trim() || '127.0.0.1'

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (number: number): string => String(number).padStart(2, '0')
const accessLogTime = (at: Date): string => `${two(at.getUTCDate())}/${months[at.getUTCMonth()]}/${at.getUTCFullYear()}:${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`
