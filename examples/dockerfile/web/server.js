import { createServer } from 'node:http'

// Pilot sets it, because pilot.yaml says `uses: [quotes]`.
const quotesUrl = process.env.QUOTES_URL

const server = createServer(async (request, response) => {
  // Healthy means: this process answers. Whether quotes does is said by its own check.
  if (request.url === '/healthz') return response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n')
  if (request.url !== '/') return response.writeHead(404, { 'content-type': 'text/plain' }).end('Not found\n')
  try {
    const answer = await fetch(quotesUrl, { signal: AbortSignal.timeout(3_000) })
    if (!answer.ok) throw new Error(`quotes answered ${answer.status}`)
    const { text, by } = await answer.json()
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page(`<blockquote>${escape(text)}</blockquote><p>${escape(by)}</p>`))
  } catch (error) {
    console.error(`no quote: ${error.cause?.message ?? error.message}`)
    response.writeHead(502, { 'content-type': 'text/html; charset=utf-8' }).end(page('<p>There is no quote to be had right now.</p>'))
  }
})

const page = (content) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>A quote</title><style>body{font:1.3rem/1.5 Georgia,serif;max-width:30rem;margin:20vh auto;padding:0 1rem}p{opacity:.6}</style>${content}</html>\n`
const escape = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

server.listen(process.env.PORT ?? 3000)
process.once('SIGTERM', () => server.close())
