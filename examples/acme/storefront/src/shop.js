const element = (id) => document.getElementById(id)
const say = (text) => (element('message').textContent = text)
let token = sessionStorage.getItem('token')

async function call(path, options = {}) {
  const response = await fetch(`/api/${path}`, { ...options, headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) } })
  const content = await response.json()
  if (!response.ok) throw new Error(content.error)
  return content
}

const post = (path, content) => call(path, { method: 'POST', body: JSON.stringify(content) })

element('account').addEventListener('submit', async (event) => {
  event.preventDefault()
  const { email, password } = Object.fromEntries(new FormData(event.target))
  try {
    ;({ token } = await post(`auth/${event.submitter.value}`, { email, password }))
    sessionStorage.setItem('token', token)
    say('You are signed in.')
    await showInvoices()
  } catch (error) {
    say(error.message)
  }
})

async function showProducts() {
  for (const { name, cents } of await call('products')) {
    const item = document.createElement('li')
    const button = document.createElement('button')
    button.textContent = 'Order'
    button.addEventListener('click', async () => {
      try {
        await post('orders', { product: name })
        say(`Your ${name} is on its way. The invoice follows.`)
        setTimeout(showInvoices, 1_000)
      } catch (error) {
        say(error.message)
      }
    })
    item.append(`${name}: $${(cents / 100).toFixed(2)} `, button)
    element('products').append(item)
  }
}

async function showInvoices() {
  const items = (await call('invoices')).map(({ text }) => Object.assign(document.createElement('li'), { textContent: text }))
  element('invoices').replaceChildren(...items)
}

await showProducts()
if (token) await showInvoices().catch(() => sessionStorage.removeItem('token'))
