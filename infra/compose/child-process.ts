import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { LogFile } from './log-file.ts'
import type { Running, Service } from './supervise.ts'

/** What `reportReady` of a child says. */
export type Ports = Record<string, number>

export interface ChildOptions {
  name: string
  /** Main file. */
  main: string
  /** Asked anew for every start: a restart takes the ports that the first start got. */
  args: () => string[]
  log: LogFile
  /** One that does not report is ready when it runs. */
  reports: boolean
  onReady?: (ports: Ports) => void
  /** What the child has to say to the person at the terminal. */
  onNotice?: (text: string) => void
}

const READY_MS = 90_000
const STOP_MS = 25_000
const ORPHAN = fileURLToPath(new URL('orphan.ts', import.meta.url))

/** A child process of this program; its log goes to its own file. */
export const childService = (options: ChildOptions): Service => ({
  name: options.name,
  start: async ({ signal, onPid }) => {
    const child = spawn(process.execPath, ['--import', ORPHAN, options.main, ...options.args()], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Its own process group: Ctrl-C reaches the supervisor alone, which stops all in order.
      detached: true,
    })
    const spawned = new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    const complaint = readOutput(child, options.log)
    const exited = reasonOf(child, complaint)
    child.on('message', ({ notice }: { notice?: string }) => {
      if (notice !== undefined) options.onNotice?.(notice)
    })
    await spawned
    onPid(child.pid!)
    const onAbort = () => child.kill('SIGKILL')
    signal.addEventListener('abort', onAbort)
    try {
      if (signal.aborted) onAbort()
      if (options.reports) options.onReady?.(await readiness(child, exited))
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    return running(child, exited)
  },
})

/** The ports that the child reports; rejects when it ends or stays silent. */
const readiness = (child: ChildProcess, exited: Promise<string>): Promise<Ports> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`was not ready after ${READY_MS / 1000} s`))
    }, READY_MS)
    child.on('message', (message: { ready?: boolean; ports?: Ports }) => {
      if (!message.ready) return
      clearTimeout(timer)
      resolve(message.ports ?? {})
    })
    exited.then((reason) => {
      clearTimeout(timer)
      reject(new Error(reason))
    })
  })

const running = (child: ChildProcess, exited: Promise<string>): Running => ({
  pid: child.pid!,
  exited,
  kill: () => child.kill('SIGKILL'),
  stop: async () => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await exited
    clearTimeout(timer)
  },
})

/** Copies the output to the log; answers a reader of what the child said last that was no log line: its crash. */
const readOutput = (child: ChildProcess, log: LogFile): (() => string) => {
  let complaint = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => {
      log.write(line)
      if (/^(?:\w*Error\b.*|Uncaught .*): /.test(line)) complaint = line
    })
  }
  return () => complaint
}

const reasonOf = (child: ChildProcess, complaint: () => string): Promise<string> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    // close, not exit: only then all that it said has been read.
    child.once('close', (code, signal) => {
      const said = complaint()
      resolve(`${signal ?? `exit code ${code}`}${said ? `: ${said}` : ''}`)
    })
  })
