import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { LoadFigures, LoadSecond } from './generator.ts'
import type { Target } from './protocol.ts'
import type { ScheduleOptions } from './schedule.ts'

export interface LoadOptions extends Target, ScheduleOptions {
  connections: number
  /** Of the seconds so many are a warm-up: their latencies are in no histogram. */
  warmUpSeconds?: number
  /** Requests of earlier runs: numbers go on behind them. */
  firstRequest?: number
}

export interface LoadResult extends LoadFigures {
  /** Of an event as it is sent. */
  bytesPerEvent: number
  /** Processor time of the generator itself. */
  cpuMicrosPerEvent: number
  /** From when a request was due to its answer, microseconds: an HdrHistogram, compressed, in base64. */
  latency: string
  /** Numbers of the events that were acknowledged, see Bits. */
  acknowledged: Uint8Array
}

export type FromLoad = { kind: 'ready' } | { kind: 'second'; second: LoadSecond } | { kind: 'done'; result: LoadResult }

export interface LoadProcess extends AsyncDisposable {
  pid: number
  /** Begins at once. Rejects when the process ends before it has told. */
  run(onSecond?: (second: LoadSecond) => void): Promise<LoadResult>
}

const MAIN = fileURLToPath(new URL('load.main.ts', import.meta.url))

const messagesOf = (child: ChildProcess) => {
  const waiting = new Map<FromLoad['kind'], (message: FromLoad) => void>()
  const exited = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the load generator ended: ${signal ?? `exit code ${code}`}`)
  })
  exited.catch(() => {})
  child.on('message', (message: FromLoad) => waiting.get(message.kind)?.(message))
  const first = <K extends FromLoad['kind']>(kind: K): Promise<FromLoad & { kind: K }> =>
    Promise.race([exited, new Promise<FromLoad>((resolve) => waiting.set(kind, resolve))]) as Promise<
      FromLoad & { kind: K }
    >
  return { first, on: (kind: FromLoad['kind'], listener: (message: FromLoad) => void) => waiting.set(kind, listener) }
}

/** A generator in a process of its own; resolves when its requests are rendered and all connections are open. */
export const startLoad = async (options: LoadOptions): Promise<LoadProcess> => {
  const child = fork(MAIN, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'], serialization: 'advanced' })
  const messages = messagesOf(child)
  child.send(options)
  await messages.first('ready')
  return {
    pid: child.pid!,
    async run(onSecond) {
      messages.on('second', (message) => message.kind === 'second' && onSecond?.(message.second))
      const done = messages.first('done')
      child.send('go')
      return (await done).result
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
