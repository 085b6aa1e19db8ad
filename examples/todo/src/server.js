import { createServer } from 'node:http'
import { handleApi } from './api.js'
import { close, isReachable, migrate } from './database.js'
import { loadFiles } from './files.js'

const port = Number(process.env.PORT ?? 3000)
const files = await loadFiles(new URL('../public/', import.meta.url))

await migrate()

const server = createServer(async (request, response) => {
  const started = performance.now()
  const [pathname] = request.url.split('?')
  if (pathname !== '/healthz') {
    response.on('finish', () => console.log(`${request.method} ${pathname} ${response.statusCode} ${Math.round(performance.now() - started)} ms`))
  }
  try {
    if (pathname === '/healthz') await health(response)
    else if (pathname.startsWith('/api/')) await handleApi(request, response, pathname)
    else files.serve(request, response, pathname)
  } catch (error) {
    console.error(error)
    if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: 'Something went wrong' }))
  }
})

server.listen(port, () => console.log(`todo listens on port ${port}`))

/** Healthy means: this process answers and reaches its database. */
async function health(response) {
  const reachable = await isReachable()
  response.writeHead(reachable ? 200 : 503, { 'content-type': 'text/plain' })
  response.end(reachable ? 'ok\n' : 'the database does not answer\n')
}

/** Finishes the requests that are open, then ends. A second signal ends at once. */
function stop(signal) {
  console.log(`${signal}: finishing open requests`)
  process.once(signal, () => process.exit(1))
  server.close(async () => {
    await close()
    process.exit(0)
  })
}

process.once('SIGTERM', stop)
process.once('SIGINT', stop)
