import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import type { ActiveRoute } from './table.ts'
import { chooseForVisitor } from './visitor.ts'

const routeWith = (canary: number): ActiveRoute => ({ targets: [{ deployment: 'old', percent: 100 - canary, credit: 0 }, ...(canary === 0 ? [] : [{ deployment: 'new', percent: canary, credit: 0 }])] }) as unknown as ActiveRoute
const request = (headers: Record<string, string> = {}, method = 'GET'): IncomingMessage => ({ method, headers }) as unknown as IncomingMessage
const page = { accept: 'text/html,*/*' }
const versionOf = (route: ActiveRoute, cookie: string): string | undefined => chooseForVisitor(route, request({ ...page, cookie })).target?.deployment

test('a browser that opened a page stays with its version, and a share that grows sends nobody back', () => {
  const route = routeWith(10)
  const visitors = Array.from({ length: 100 }, () => chooseForVisitor(route, request(page)))
  expect(visitors.filter(({ target }) => target?.deployment === 'new')).toHaveLength(10)
  const wider = routeWith(50)
  for (const { target, cookie } of visitors) {
    const kept = /^pilot-canary=\d{1,2}; Path=\/; HttpOnly; SameSite=Lax$/.test(cookie ?? '') ? cookie!.split(';')[0]! : ''
    for (let i = 0; i < 3; i++) expect(versionOf(route, `a=b; ${kept}`)).toBe(target?.deployment)
    expect(chooseForVisitor(route, request({ ...page, cookie: kept })).cookie).toBeUndefined()
    if (target?.deployment === 'new') expect(versionOf(wider, kept)).toBe('new')
  }
})

test('what does not open a page gets no cookie, and is spread exactly', () => {
  const route = routeWith(25)
  const answers = [...Array.from({ length: 60 }, () => request({ accept: '*/*' })), ...Array.from({ length: 40 }, () => request(page, 'POST'))].map((each) => chooseForVisitor(route, each))
  expect(answers.filter(({ target }) => target?.deployment === 'new')).toHaveLength(25)
  expect(answers.filter(({ cookie }) => cookie !== undefined)).toEqual([])
})

test('with one version there is no cookie, and one that is left over says nothing', () => {
  expect(chooseForVisitor(routeWith(0), request({ ...page, cookie: 'pilot-canary=3' }))).toEqual({ target: expect.objectContaining({ deployment: 'old' }) })
})

test.each(['pilot-canary=100', 'pilot-canary=-1', 'pilot-canary=', 'pilot-canary=1e1', 'xpilot-canary=1', 'pilot-canary="1"'])('%s is no number, and the visitor gets a new one', (cookie) => {
  expect(chooseForVisitor(routeWith(10), request({ ...page, cookie })).cookie).toMatch(/^pilot-canary=\d+;/)
})
