import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { endStale, isRunning, watchOver } from './process.ts'

export interface StartOptions {
  /** From findNatsServer. */
  binary: string
  /** Store, configuration and port files; made when missing. One server at a time. */
  dataDir: string
  /** 0: any free one. */
  port: number
  /** Of HTTP monitoring, always on loopback. Default: any free one. */
  monitorPort?: number
  /** Default, and what the product's promise rests on: always. Tests show what another one loses. */
  syncInterval?: string
  /** GOMEMLIMIT of the server. Default 1GiB. */
  memoryLimit?: string
  env: NodeJS.ProcessEnv
  /** Gets every line that the server logs. */
  onLog?: (line: string) => void
  /** Gets the pid as soon as there is one: before the server is ready. */
  onPid?: (pid: number) => void
  /** Aborts a start under way: SIGKILL. */
  signal?: AbortSignal
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A nats-server that is ours: it ends with this process, however this process ends. */
export interface NatsServer {
  url: string
  port: number
  monitorPort: number
  pid: number
  /** Resolves when the process is gone, for whatever reason. */
  exited: Promise<Exit>
  /** Orderly; SIGKILL after 10 s. */
  stop(): Promise<void>
  /** SIGKILL, as a crash. */
  kill(): Promise<void>
}

const START_MS = 60_000
const STOP_MS = 10_000
const HOST = '127.0.0.1'
const CONFIG = 'nats-server.conf'

/** Every write is synced to disk before it is acknowledged: what the product's first promise rests on. */
const configText = (name: string, folder: string, { port, monitorPort, syncInterval }: StartOptions): string =>
  `# Written at each start.
server_name: ${JSON.stringify(name)}
listen: "${HOST}:${port || -1}"
http: "${HOST}:${monitorPort || -1}"
ports_file_dir: ${JSON.stringify(folder)}
jetstream { store_dir: ${JSON.stringify(join(folder, 'store'))}, sync_interval: ${syncInterval ?? 'always'} }
`

/** The name in the greeting of whatever listens there; null when nobody does. */
const greetedName = (port: number): Promise<string | null> =>
  new Promise((done) => {
    const socket = connect(port, HOST)
    let text = ''
    socket.setTimeout(2_000, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => done(null))
    socket.on('data', (chunk) => {
      text += chunk
      if (!text.includes('\r\n')) return
      done(/"server_name":"([^"]*)"/.exec(text)?.[1] ?? null)
      socket.destroy()
    })
  })

const portOf = (urls: string[]): number => Number(new URL(urls[0]).port)

/** Ports as the server itself wrote them; null while it has not. */
const readPorts = async (folder: string, pid: number): Promise<{ port: number; monitorPort: number } | null> => {
  const file = (await readdir(folder)).find((name) => name.endsWith(`_${pid}.ports`))
  if (!file) return null
  try {
    const ports = JSON.parse(await readFile(join(folder, file), 'utf8'))
    return { port: portOf(ports.nats), monitorPort: portOf(ports.monitoring) }
  } catch {
    return null // half written
  }
}

/** JetStream has recovered its streams. */
const isHealthy = (monitorPort: number): Promise<boolean> =>
  fetch(`http://${HOST}:${monitorPort}/healthz`, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false,
  )

/** Leaves of servers that crashed; a pid that comes again must not bring old ports back. */
const removePortFiles = async (folder: string): Promise<void> => {
  const old = (await readdir(folder)).filter((name) => name.endsWith('.ports'))
  await Promise.all(old.map((name) => rm(join(folder, name), { force: true })))
}

const launch = (options: StartOptions, folder: string, onLine: (line: string) => void): ChildProcess => {
  const child = spawn(options.binary, ['-c', join(folder, CONFIG)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Its own process group: Ctrl-C in a terminal must not end it before the others have drained.
    detached: true,
    env: { ...options.env, GOMEMLIMIT: options.memoryLimit ?? '1GiB' },
  })
  createInterface({ input: child.stderr! }).on('line', onLine)
  return child
}

const exitOf = (child: ChildProcess): Promise<Exit> =>
  new Promise((done) => {
    child.once('error', () => done({ code: 127, signal: null }))
    child.once('exit', (code, signal) => done({ code, signal }))
  })

/**
 * Starts a server on `dataDir` with every write synced, and waits until it answers and has recovered. A server that an
 * earlier, crashed start left on the same folder is ended first. Rejects with the server's own words when it exits.
 */
export const startNatsServer = async (options: StartOptions): Promise<NatsServer> => {
  const folder = resolve(options.dataDir)
  await mkdir(folder, { recursive: true })
  await endStale(folder, join(folder, CONFIG))
  await removePortFiles(folder)
  const name = `millrace-${randomUUID()}`
  await writeFile(join(folder, CONFIG), configText(name, folder, options))

  const lastLines: string[] = []
  const child = launch(options, folder, (line) => {
    if (lastLines.push(line) > 20) lastLines.shift()
    options.onLog?.(line)
  })
  const exited = exitOf(child)
  let gone = false
  exited.then(() => {
    gone = true
  })
  const pid = child.pid
  if (pid === undefined) throw new Error(`${options.binary} cannot be started`)
  options.onPid?.(pid)
  options.signal?.addEventListener('abort', () => child.kill('SIGKILL'))
  await watchOver(folder, pid, exited)

  for (const deadline = performance.now() + START_MS; ; await delay(20)) {
    if (options.signal?.aborted) child.kill('SIGKILL')
    if (gone) throw new Error(`nats-server did not start: ${complaint(lastLines)}`)
    if (performance.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`nats-server was not ready after ${START_MS / 1000} s: ${complaint(lastLines)}`)
    }
    const ports = await readPorts(folder, pid)
    // Its name, because a server whose port is taken leaves us talking to somebody else's.
    if (!ports || (await greetedName(ports.port)) !== name || !(await isHealthy(ports.monitorPort))) continue
    return {
      ...ports,
      url: `nats://${HOST}:${ports.port}`,
      pid,
      exited,
      stop: () => end(child, exited, 'SIGTERM'),
      kill: () => end(child, exited, 'SIGKILL'),
    }
  }
}

const complaint = (lines: string[]): string =>
  (lines.findLast((line) => /\[(FTL|ERR)\]|error|failed/i.test(line)) ?? lines.at(-1) ?? 'it said nothing').replace(
    /^\[\d+\] \S+ \S+ /,
    '',
  )

const end = async (child: ChildProcess, exited: Promise<Exit>, signal: NodeJS.Signals): Promise<void> => {
  child.kill(signal)
  const timer = setTimeout(() => isRunning(child.pid!) && child.kill('SIGKILL'), STOP_MS)
  await exited
  clearTimeout(timer)
}
