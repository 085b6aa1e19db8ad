import { describe, expect, it } from 'vitest'
import type { SourceFacts } from '../provider/builder.ts'
import { detect, detectApps, detectProgram } from './detect.ts'
import { exposedPort } from './dockerfile.ts'

const facts = (files: Readonly<Record<string, string>>, build?: string): SourceFacts => ({ files: Object.keys(files).sort(), text: (path) => files[path], ...(build === undefined ? {} : { build }) })
const json = (value: unknown): string => JSON.stringify(value)

describe('detection', () => {
  it.each<{ title: string; files: Record<string, string>; found: object | undefined; build?: string }>([
    { title: 'a Dockerfile before all else', files: { Dockerfile: 'FROM node\nEXPOSE 3000', 'package.json': json({ scripts: { start: 'x' } }) }, found: { builder: 'dockerfile', target: 'container', dockerfile: 'Dockerfile', port: 3000, reason: 'Dockerfile found' } },
    { title: 'the Dockerfile that the manifest names', files: { 'deploy/web.Dockerfile': 'EXPOSE 80', 'index.html': '' }, build: './deploy/web.Dockerfile', found: { builder: 'dockerfile', dockerfile: './deploy/web.Dockerfile', port: 80 } },
    { title: 'Node with a start script', files: { 'package.json': json({ scripts: { start: 'node x' } }), 'package-lock.json': '{}' }, found: { builder: 'node', target: 'process', start: 'node x', packageManager: 'npm', lockfile: 'package-lock.json', reason: 'package.json with package-lock.json' } },
    { title: 'Node with another package manager', files: { 'package.json': json({ scripts: { start: 'node x' } }), 'pnpm-lock.yaml': '' }, found: { builder: 'node', start: 'node x', packageManager: 'pnpm' } },
    { title: 'Node with the package manager that package.json names', files: { 'package.json': json({ packageManager: 'yarn@4.1.0', main: './lib/main.js' }), 'lib/main.js': '' }, found: { builder: 'node', start: 'node ./lib/main.js', packageManager: 'yarn', reason: expect.stringContaining('without a lockfile') } },
    { title: 'Node with a server.js alone', files: { 'package.json': '{}', 'server.js': '' }, found: { builder: 'node', start: 'node server.js' } },
    { title: 'Node with src/index.js and scripts for development only', files: { 'package.json': json({ scripts: { dev: 'nodemon src/index.js' } }), 'src/index.js': '' }, found: { builder: 'node', start: 'node src/index.js' } },
    { title: 'Node with a Procfile, which says how it starts', files: { 'package.json': json({ scripts: { start: 'x' } }), Procfile: 'worker: node w.js\nweb: node server.js --port $PORT\n' }, found: { builder: 'node', start: 'node server.js --port $PORT' } },
    { title: 'Node with what must run before it starts', files: { 'package.json': json({ scripts: { prestart: 'node setup.js', start: 'node x' } }) }, found: { builder: 'node', start: 'node setup.js && node x' } },
    { title: 'Node with an entry whose name a shell would take apart', files: { 'package.json': json({ main: "it's here.js" }), "it's here.js": '' }, found: { builder: 'node', start: String.raw`node 'it'\''s here.js'` } },
    { title: 'Node with a server beside what it builds', files: { 'package.json': json({ scripts: { build: 'vite build' } }), 'server.js': '', 'index.html': '' }, found: { builder: 'node', start: 'node server.js' } },
    { title: 'Node with the lockfile of the manager that package.json names', files: { 'package.json': json({ packageManager: 'pnpm@9.1.0', scripts: { start: 'x' } }), 'package-lock.json': '', 'pnpm-lock.yaml': '' }, found: { packageManager: 'pnpm', lockfile: 'pnpm-lock.yaml' } },
    { title: 'Python beside a package.json that builds its style sheets', files: { 'manage.py': '', 'requirements.txt': 'django', 'package.json': json({ scripts: { build: 'tailwindcss' } }) }, found: { builder: 'python' } },
    { title: 'a site beside Python that starts nothing', files: { 'requirements.txt': 'mkdocs', 'package.json': json({ scripts: { build: 'vite build' } }) }, found: { builder: 'static' } },
    { title: 'Python that does not say how it starts', files: { 'requirements.txt': 'flask', 'shop/views.py': '' }, found: { builder: 'python', reason: 'Python: requirements.txt found' } },
    { title: 'Go with its only command and a Procfile', files: { 'go.mod': 'module x', 'cmd/api/main.go': '', Procfile: 'web: api --fast' }, found: { builder: 'go', goPackage: './cmd/api', start: 'api --fast' } },
    { title: 'nothing in a Go library', files: { 'go.mod': 'module x', 'lib/x.go': '' }, found: undefined },
    { title: 'a package.json that only builds, as a site', files: { 'package.json': json({ scripts: { build: 'vite build' } }), 'yarn.lock': '', 'index.html': '' }, found: { builder: 'static', target: 'static', static: { output: 'dist', command: 'yarn run build' } } },
    { title: 'a broken package.json as what else there is', files: { 'package.json': '{', 'index.html': '' }, found: { builder: 'static', static: {} } },
    { title: 'Flask', files: { 'app.py': 'from flask import Flask\napp = Flask(__name__)\n', 'requirements.txt': 'flask==3.0\n' }, found: { builder: 'python', target: 'process', start: 'python -m flask --app app:app run --host ${HOST:-0.0.0.0} --port $PORT' } },
    { title: 'FastAPI', files: { 'main.py': 'app = FastAPI()\n', 'pyproject.toml': 'dependencies = ["fastapi", "uvicorn"]' }, found: { builder: 'python', start: 'python -m uvicorn main:app --host ${HOST:-0.0.0.0} --port $PORT' } },
    { title: 'Django', files: { 'manage.py': '', 'requirements.txt': 'django' }, found: { builder: 'python', start: 'python manage.py runserver ${HOST:-0.0.0.0}:$PORT' } },
    { title: 'a plain Python program', files: { 'main.py': 'print(1)' }, found: { builder: 'python', start: 'python main.py' } },
    { title: 'Go', files: { 'go.mod': 'module x', 'main.go': '' }, found: { builder: 'go', target: 'process' } },
    { title: 'a Procfile', files: { Procfile: 'web: ./server\n', 'server': '' }, found: { builder: 'procfile', target: 'process', start: './server' } },
    { title: 'static files', files: { 'index.html': '', 'style.css': '' }, found: { builder: 'static', target: 'static', static: {} } },
    { title: 'static files in public', files: { 'public/index.html': '', 'README.md': '' }, found: { builder: 'static', static: { output: 'public' } } },
    { title: 'a Procfile without web', files: { Procfile: 'worker: x' }, found: { builder: 'procfile', processes: { worker: 'x' } } },
    { title: 'nothing in a pyproject.toml that only configures tools', files: { 'pyproject.toml': '[tool.ruff]' }, found: undefined },
    { title: 'nothing in other files', files: { 'README.md': '', 'notes.txt': '' }, found: undefined },
  ])('finds $title', ({ files, build, found }) => {
    const detection = detect(facts(files, build))
    if (found === undefined) expect(detection).toBeUndefined()
    else expect(detection).toMatchObject(found)
  })

  it('of a program leaves the Dockerfile out of account', () => {
    const source = facts({ Dockerfile: 'FROM node', 'package.json': json({ scripts: { start: 'node x' } }) })
    expect([detect(source)?.builder, detectProgram(source)?.builder, detectProgram(facts({ 'index.html': '' }))]).toEqual(['dockerfile', 'node', undefined])
  })

  it.each<[string, Record<string, string>, object | undefined]>([
    ['pg', { 'package.json': '{\n  "dependencies": {\n    "pg": "8"\n  }\n}' }, { file: 'package.json', line: 3, reason: 'pg in package.json' }],
    ['psycopg', { 'main.py': '', 'requirements.txt': 'flask\npsycopg[binary]==3.1\n' }, { file: 'requirements.txt', line: 2, reason: 'psycopg in requirements.txt' }],
    ['asyncpg in a pyproject.toml', { 'main.py': '', 'pyproject.toml': 'dependencies = [\n  "asyncpg>=0.29",\n]' }, { file: 'pyproject.toml', line: 2 }],
    ['pgx', { 'go.mod': 'module x\nrequire github.com/jackc/pgx/v5 v5.5.0\n' }, { file: 'go.mod', line: 2 }],
    ['Prisma for PostgreSQL', { 'package.json': '{}', 'server.js': '', 'prisma/schema.prisma': 'datasource db {\n  provider = "postgresql"\n}' }, { file: 'prisma/schema.prisma', line: 2 }],
    ['DATABASE_URL in the code', { 'package.json': '{}', 'server.js': 'x\nconst url = process.env.DATABASE_URL' }, { file: 'server.js', line: 2, reason: 'DATABASE_URL in server.js' }],
    ['no database in an app with SQLite', { 'package.json': json({ dependencies: { 'better-sqlite3': '1' } }), 'server.js': 'process.env.DATABASE_URL' }, undefined],
    ['no database in pg as a tool for tests', { 'package.json': json({ devDependencies: { pg: '8' } }), 'server.js': '', 'server.test.js': 'DATABASE_URL' }, undefined],
  ])('sees %s', (_what, files, evidence) => {
    const { needsDatabase } = detect(facts({ Dockerfile: '', ...files })) ?? {}
    if (evidence === undefined) expect(needsDatabase).toBeUndefined()
    else expect(needsDatabase).toMatchObject(evidence)
  })

  it('finds the apps of a repository that is none itself', () => {
    const found = detectApps(
      facts({
        'README.md': '',
        'services/auth/Dockerfile': '',
        'services/auth/admin/Dockerfile': '',
        'services/mail/main.py': 'DATABASE_URL',
        'web/package.json': json({ scripts: { build: 'vite build' } }),
        'docs/index.html': '',
        'site/index.html': '',
        'examples/one/Dockerfile': '',
        'packages/lib/package.json': json({ main: 'index.js' }),
        'a/b/c/Dockerfile': '',
      }),
    )
    expect(found.map(({ folder, builder }) => `${folder} ${builder}`)).toEqual(['services/auth dockerfile', 'services/mail python', 'web static'])
  })
})

describe('the port of a Dockerfile', () => {
  it.each<[string, number | undefined]>([
    ['FROM x\nEXPOSE 3000', 3000],
    ['FROM x\n  expose 3000/tcp', 3000],
    ['FROM a AS build\nEXPOSE 1\nFROM b\nEXPOSE 2', 2],
    ['FROM a\nEXPOSE 80 \\\n  443', undefined],
    ['FROM a\nEXPOSE 80/tcp 53/udp', 80],
    ['FROM a\nEXPOSE $PORT', undefined],
    ['FROM a\n# EXPOSE 80', undefined],
    ['FROM a\nEXPOSE 99999', undefined],
    ['', undefined],
  ])('of %j is %s', (dockerfile, port) => expect(exposedPort(dockerfile)).toBe(port))
})
