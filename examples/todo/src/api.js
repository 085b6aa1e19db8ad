import { query } from './database.js'

const columns = 'id, text, done, created_at as "createdAt"'
const largestId = 2 ** 31 - 1

/** `/api/todos` and `/api/todos/ID`. */
export async function handleApi(request, response, pathname) {
  const match = /^\/api\/todos(?:\/(\d{1,10}))?$/.exec(pathname)
  if (!match || Number(match[1] ?? 0) > largestId) return answer(response, 404, { error: 'Not found' })

  const [, id] = match
  const action = `${request.method} ${id === undefined ? 'list' : 'one'}`
  if (action === 'GET list') return answer(response, 200, await query(`select ${columns} from todos order by id`))
  if (action === 'POST list') return add(request, response)
  if (action === 'PATCH one') return change(request, response, Number(id))
  if (action === 'DELETE one') {
    await query('delete from todos where id = $1', [Number(id)])
    return answer(response, 204)
  }
  return answer(response, 405, { error: `${request.method} is not possible here` })
}

async function add(request, response) {
  const { text } = (await body(request)) ?? {}
  if (typeof text !== 'string' || text.trim() === '' || text.trim().length > 200) return answer(response, 400, { error: 'Write between 1 and 200 characters' })
  const [todo] = await query(`insert into todos (text) values ($1) returning ${columns}`, [text.trim()])
  return answer(response, 201, todo)
}

async function change(request, response, id) {
  const { done } = (await body(request)) ?? {}
  if (typeof done !== 'boolean') return answer(response, 400, { error: 'Send { "done": true } or { "done": false }' })
  const [todo] = await query(`update todos set done = $2 where id = $1 returning ${columns}`, [id, done])
  return todo ? answer(response, 200, todo) : answer(response, 404, { error: 'There is no such to-do any more' })
}

/** The JSON of a request; undefined when it is none or too large. */
async function body(request) {
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

function answer(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(value === undefined ? undefined : JSON.stringify(value))
}
