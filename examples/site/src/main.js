import './style.css'

/** One page for every path: the browser routes, and Pilot answers each path with index.html (`spa: true`). */
const pages = {
  '/': () => `<h1>${import.meta.env.VITE_GREETING ?? 'Hello'}</h1><p>This page was built by Vite and is served by Pilot's edge.</p>`,
  '/about': () => '<h1>About</h1><p>Reload here: the address works by itself.</p>',
}

const show = () => {
  document.querySelector('main').innerHTML = (pages[location.pathname] ?? (() => '<h1>Nothing here</h1>'))()
}

document.addEventListener('click', (event) => {
  const link = event.target.closest('a')
  if (!link || link.origin !== location.origin || event.metaKey || event.ctrlKey) return
  event.preventDefault()
  history.pushState(undefined, '', link.href)
  show()
})
addEventListener('popstate', show)
show()
