/** The JSON of a request; undefined when it is none or too large. */
export async function body(request) {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > 10_000) return undefined
  }
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function answer(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(value))
}

export const tokenOf = (request) => /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1]
