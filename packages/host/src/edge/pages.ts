import type { ServerResponse } from 'node:http'

/** What the edge itself has to say. Never cached, and marked, so that nobody takes it for the app's own words. */
export function answerPage(response: ServerResponse, { status, title, text }: { status: number; title: string; text: string }): void {
  const wantsHtml = response.req.headers.accept?.includes('text/html') === true
  const body = wantsHtml ? page(title, text) : `${title}\n${text}\n`
  response.writeHead(status, {
    'content-type': `text/${wantsHtml ? 'html' : 'plain'}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(response.hasHeader('pilot-edge') ? {} : { 'pilot-edge': String(status) }),
    ...(status === 503 ? { 'retry-after': '5' } : {}),
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

function page(title: string, text: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(title)}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:18vh auto;padding:0 1rem;color:#222;background:#fff}h1{font-size:1.4rem}@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}}</style>
<h1>${escape(title)}</h1><p>${escape(text)}</p></html>
`
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
