const list = document.querySelector('#list')
const form = document.querySelector('#add')
const input = document.querySelector('#text')
const problem = document.querySelector('#problem')
const summary = document.querySelector('#summary')

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  if (await change('/api/todos', 'POST', { text: input.value })) form.reset()
})

await show()

/** Sends a change, then shows what the server has: it alone knows. */
async function change(path, method, body) {
  const done = await ask(path, { method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) })
  if (done) await show()
  return done !== undefined
}

async function show() {
  const response = await ask('/api/todos')
  if (!response) return
  const todos = await response.json()
  const open = todos.filter((todo) => !todo.done).length
  list.replaceChildren(...todos.map(item))
  summary.textContent = todos.length === 0 ? 'Nothing to do yet.' : `${open} of ${todos.length} to do`
}

function item({ id, text, done }) {
  const box = Object.assign(document.createElement('input'), { type: 'checkbox', checked: done })
  box.addEventListener('change', () => change(`/api/todos/${id}`, 'PATCH', { done: box.checked }))

  const label = document.createElement('label')
  label.append(box, Object.assign(document.createElement('span'), { textContent: text }))

  const remove = Object.assign(document.createElement('button'), { type: 'button', textContent: '×', title: 'Delete' })
  remove.setAttribute('aria-label', `Delete ${text}`)
  remove.addEventListener('click', () => change(`/api/todos/${id}`, 'DELETE'))

  const row = document.createElement('li')
  row.classList.toggle('done', done)
  row.append(label, remove)
  return row
}

async function ask(path, options) {
  try {
    const response = await fetch(path, options)
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? `The server answered ${response.status}`)
    problem.hidden = true
    return response
  } catch (error) {
    problem.textContent = error.message
    problem.hidden = false
    return undefined
  }
}
