/**
 * A built site: the edge against whichever of nginx and Caddy is on PATH, a small page and a larger script, as they are and
 * compressed: `npx node --conditions=@pilot/source bench/site.ts [--seconds 4] [--connections 16]`.
 *
 * nginx and Caddy serve the same folder in their shortest configuration; the edge counts requests, errors and latency besides.
 */
import { randomBytes } from 'node:crypto'
import type { ChildProcess } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensureEdge, openHome, putRoute, removeHome, serviceStatus, siteFilesFolder, stopSupervisor, writeSiteIndex } from '@pilot/host'
import { compare, freePort, isOnPath, pinToFirstCore, residentMB, startPinned, type Subject } from './http-load.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '4' }, connections: { type: 'string', default: '16' }, runs: { type: 'string', default: '3' } } })
const host = 'site.bench.localhost'
const work = await mkdtemp(join(tmpdir(), 'pilot-bench-site-'))
// nginx reads it as a user of its own.
await chmod(work, 0o755)
const files = join(work, 'site', siteFilesFolder)
const children: ChildProcess[] = []
const home = await openHome(join(work, 'home'))
try {
  await mkdir(join(files, 'assets'), { recursive: true })
  await writeFile(join(files, 'index.html'), `<!doctype html>${'x'.repeat(1000)}`)
  await writeFile(join(files, 'assets/app-3f9a1c2b.js'), `console.log("${randomBytes(50_000).toString('hex')}")`)
  await writeSiteIndex(join(work, 'site'))

  const { port } = await ensureEdge(home)
  const pid = serviceStatus(home, 'edge')!.process!.pid
  pinToFirstCore(pid)
  await putRoute(home, { id: 'bench', app: { project: 'bench', app: 'site', environment: 'production' }, hosts: [host], weights: [{ deployment: 'd1', percent: 100, upstreams: [{ folder: join(work, 'site') }] }] })
  const subjects: Subject[] = [{ name: 'edge', port, pid }, ...(await others())]

  console.log('| | | requests/s | per CPU second | p99 ms | of nginx, per CPU second | memory after |\n|---|---|---|---|---|---|---|')
  for (const [title, path] of [['1 KB page', '/index.html'], ['100 KB script', '/assets/app-3f9a1c2b.js']] as const) {
    const best = compare(subjects, { host, path, seconds: Number(values.seconds), connections: Number(values.connections) }, Number(values.runs))
    const nginx = best.get('nginx')?.perCpuSecond
    for (const { name, pid: of } of subjects) {
      const { requestsPerSecond, perCpuSecond, p99Ms } = best.get(name)!
      console.log(`| ${title} | ${name} | ${requestsPerSecond} | ${perCpuSecond ?? ''} | ${p99Ms} | ${nginx === undefined || perCpuSecond === undefined ? '' : (perCpuSecond / nginx).toFixed(2)} | ${of === undefined ? '' : `${residentMB(of)} MB`} |`)
    }
  }
} finally {
  for (const child of children) child.kill('SIGKILL')
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
  await rm(work, { recursive: true, force: true })
}

async function others(): Promise<readonly Subject[]> {
  const subjects: Subject[] = []
  if (isOnPath('nginx')) {
    const port = await freePort()
    const file = join(work, 'nginx.conf')
    await writeFile(file, `daemon off;\nworker_processes 1;\npid ${work}/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n  types { text/html html; text/javascript js; }\n  access_log off;\n  sendfile on;\n  client_body_temp_path ${work}/b; proxy_temp_path ${work}/p; fastcgi_temp_path ${work}/f; uwsgi_temp_path ${work}/u; scgi_temp_path ${work}/s;\n  server { listen 127.0.0.1:${port}; root ${files}; }\n}\n`)
    subjects.push(await start('nginx', port, 'nginx', ['-p', work, '-c', file]))
  }
  if (isOnPath('caddy')) {
    const port = await freePort()
    const file = join(work, 'Caddyfile')
    await writeFile(file, `{\n  admin off\n  auto_https off\n}\nhttp://:${port} {\n  root * ${files}\n  file_server\n}\n`)
    subjects.push(await start('Caddy', port, 'env', ['GOMAXPROCS=1', `XDG_DATA_HOME=${work}`, `XDG_CONFIG_HOME=${work}`, 'caddy', 'run', '--config', file]))
  }
  return subjects
}

async function start(name: string, port: number, command: string, args: string[]): Promise<Subject> {
  const child = await startPinned(0, command, args, port)
  children.push(child)
  return { name, port, pid: child.pid }
}
