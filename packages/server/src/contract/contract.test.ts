import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { openApiDocument } from '../api/openapi.ts'
import { routeSchemas } from './route-schemas.ts'
import { pathOf, routes, type Route } from './routes.ts'

test('the OpenAPI document describes every route, and each reference in it leads somewhere', () => {
  const document = openApiDocument() as { openapi: string; paths: Record<string, Record<string, { operationId: string; parameters: { name: string }[] }>>; components: { schemas: Record<string, unknown> } }
  expect(document.openapi).toBe('3.1.1')
  for (const [name, { method, path }] of Object.entries(routes) as [string, Route][]) {
    const operation = document.paths[path]?.[method.toLowerCase()]
    expect(operation?.operationId).toBe(name)
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter)
    expect(operation!.parameters.map((parameter) => parameter.name)).toEqual(expect.arrayContaining(inPath))
  }
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference!)
  expect(references.length).toBeGreaterThan(20)
  for (const reference of references) expect(Object.keys(document.components.schemas)).toContain(reference.replace('#/components/schemas/', ''))
})

test('every parameter of a path has a schema', () => {
  for (const [name, { path }] of Object.entries(routes) as [keyof typeof routeSchemas, Route][]) {
    const params = (routeSchemas[name] as { params?: { shape: object } }).params
    expect(Object.keys(params?.shape ?? {}).sort()).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter!).sort())
  }
})

test('parameters are encoded', () => {
  expect(pathOf('stateHistory', { scope: 'app/shop/api/production' })).toBe('/v1/scopes/app%2Fshop%2Fapi%2Fproduction/history')
})

test('the client loads neither zod nor the server nor the engine', async () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    await import('@pilot/server/client')
    console.log(JSON.stringify(loaded.filter((url) => url.startsWith('file:'))))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@pilot/source', '--input-type=module', '-e', script], { cwd: fileURLToPath(new URL('.', import.meta.url)) })
  const files = (JSON.parse(stdout) as string[]).map((url) => url.replace(/.*\/(packages|node_modules)\//, '$1/'))
  expect(files.filter((file) => !/^packages\/(server\/src\/(client|contract)|core\/src\/errors)\//.test(file))).toEqual([])
  expect(files.length).toBeLessThan(12)
})
