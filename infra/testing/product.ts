import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { endProcess } from '#infra/nats/process.ts'
import type { Keys } from '../compose/first-keys.ts'
import type { Endpoints } from '../compose/welcome.ts'

/** The whole product as a user starts it, in a folder and on ports of its own. */
export interface TestProduct extends AsyncDisposable {
  readonly endpoints: Endpoints
  readonly keys: Keys
  readonly dataDir: string
  /** Pid of the supervisor. */
  readonly pid: number
  /** Pids of what runs now by name: nats-server, gateway, processor, storage, demo; processor-2 and so on. */
  pids(): Record<string, number>
  /** What the terminal shows so far. */
  terminal(): string
  /** The terminal and every log, for a test that failed. */
  logs(): Promise<string>
  /** Waits until the terminal shows this; throws when it does not within a minute. */
  shows(text: string | RegExp): Promise<void>
  /** SIGTERM, as a user's Ctrl-C; resolves with the exit code. */
  stop(): Promise<number | null>
}

export interface ProductOptions {
  flags?: string[]
  /** Default: a fresh one, removed at the end. A given one is kept. */
  dataDir?: string
  /** Variables beside those of this process. */
  env?: Record<string, string>
}

const MAIN = fileURLToPath(new URL('../compose/start.main.ts', import.meta.url))
const READY_MS = 120_000
const SHOWS_MS = 60_000

/** Output of a process, with waiting for a text. */
const collectOutput = (child: ChildProcess) => {
  let text = ''
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      for (const listener of listeners) listener()
    })
  }
  child.once('exit', () => {
    for (const listener of listeners) listener()
  })
  const shows = (wanted: string | RegExp, timeoutMs: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const finish = (error?: Error) => {
        clearTimeout(timer)
        listeners.delete(look)
        if (error) reject(error)
        else resolve()
      }
      const look = () => {
        if (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) finish()
        else if (child.exitCode !== null || child.signalCode !== null) finish(new Error(`ended; it had said:\n${text}`))
      }
      const timer = setTimeout(() => finish(new Error(`no ${wanted} in:\n${text}`)), timeoutMs)
      listeners.add(look)
      look()
    })
  return { text: () => text, shows }
}

/** Starts it and waits until it is ready. Whatever happens, dispose leaves no process and no folder behind. */
export const startProduct = async ({ flags = [], dataDir: given, env }: ProductOptions = {}): Promise<TestProduct> => {
  const dataDir = given ?? (await mkdtemp(join(tmpdir(), 'millrace-product-')))
  // Whatever the machine has: tests say when they want more of one.
  const defaults = ['--port=0', '--nats-port=0', '--grpc-port=0', '--gateways=1', '--processors=1']
  const child = spawn(process.execPath, [MAIN, `--data=${dataDir}`, ...defaults, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const output = collectOutput(child)
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const pids = (): Record<string, number> => JSON.parse(readFileSync(join(dataDir, 'processes.json'), 'utf8'))
  const stop = () => {
    child.kill('SIGTERM')
    return exited
  }
  const dispose = async () => {
    if (child.exitCode === null && child.signalCode === null) await endProcess(child.pid!)
    await exited
    // A supervisor that was killed leaves its children to end by themselves: not beyond this test. But they may be
    // another one's, when the folder was given.
    const holder = await readFile(join(dataDir, 'supervisor.pid'), 'utf8').catch(() => null)
    if (holder === String(child.pid)) await Promise.all(Object.values(pids()).map(endProcess))
    if (given === undefined) await rm(dataDir, { recursive: true, force: true })
  }
  const read = async (file: string) => JSON.parse(await readFile(join(dataDir, file), 'utf8'))
  const product = async (): Promise<TestProduct> => ({
    endpoints: await read('endpoints.json'),
    keys: await read('keys.json'),
    dataDir,
    pid: child.pid!,
    pids,
    terminal: output.text,
    logs: () => allLogs(output.text(), join(dataDir, 'logs')),
    shows: (text) => output.shows(text, SHOWS_MS),
    stop,
    [Symbol.asyncDispose]: dispose,
  })
  try {
    await output.shows('Ctrl-C stops everything', READY_MS)
    return await product()
  } catch (error) {
    await dispose()
    throw error
  }
}

const allLogs = async (terminal: string, folder: string): Promise<string> => {
  const files = await readdir(folder).catch(() => [])
  const logs = files.map(async (name) => `--- ${name}\n${await readFile(join(folder, name), 'utf8')}`)
  return [`--- terminal\n${terminal}`, ...(await Promise.all(logs))].join('\n')
}
