import { createServer } from 'node:http'

const quotes = [
  { text: 'Make it work, make it right, make it fast.', by: 'Kent Beck' },
  { text: 'Simplicity is prerequisite for reliability.', by: 'Edsger W. Dijkstra' },
  { text: 'The purpose of computing is insight, not numbers.', by: 'Richard Hamming' },
  { text: 'Programs must be written for people to read, and only incidentally for machines to execute.', by: 'Harold Abelson' },
]

const server = createServer((request, response) => {
  const known = { '/': () => quotes[Math.floor(Math.random() * quotes.length)], '/healthz': () => ({ status: 'ok' }) }[request.url]
  response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' })
  response.end(JSON.stringify(known?.() ?? { error: 'Not found' }))
})

server.listen(process.env.PORT ?? 3000)
process.once('SIGTERM', () => server.close())
