import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { cpuSeconds } from '#scripts/lib/usage.ts'
import { startLoad } from '../load/load-process.ts'

export interface PlainOptions {
  nats: { url: string; pid: number }
  batch: number
  seconds: number
}

export interface Plain {
  /** The most that it took: more was asked for. */
  acceptedPerSecond: number
  cpuMicrosPerEvent: { resolver: number; 'nats-server': number }
}

const MAIN = fileURLToPath(new URL('plain.main.ts', import.meta.url))
/** Several times what it can take. */
const RATE = 50_000
/** More would only wait longer. */
const CONNECTIONS = 8

const startResolver = async (url: string) => {
  const child = fork(MAIN, [url], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const failed = exited.then(() => Promise.reject(new Error('the plain resolver ended')))
  const [{ port }] = (await Promise.race([once(child, 'message'), failed])) as [{ port: number }]
  return {
    pid: child.pid!,
    address: `http://127.0.0.1:${port}/graphql`,
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** The most that the plain way takes of the same load on the same nats-server, in typed mutations. */
export const measurePlain = async ({ nats, batch, seconds }: PlainOptions): Promise<Plain> => {
  await using resolver = await startResolver(nats.url)
  const target = { protocol: 'graphql', address: resolver.address, writeKey: 'none' } as const
  await using load = await startLoad({ ...target, rate: RATE, seconds, batch, connections: CONNECTIONS })
  const pids = [resolver.pid, nats.pid]
  const before = await Promise.all(pids.map(cpuSeconds))
  const { accepted, acceptedPerSecond } = await load.run()
  const after = await Promise.all(pids.map(cpuSeconds))
  const [ofResolver, ofNats] = after.map((used, i) =>
    Number(((1e6 * (used - before[i])) / Math.max(1, accepted)).toFixed(1)),
  )
  return {
    acceptedPerSecond: Math.round(acceptedPerSecond),
    cpuMicrosPerEvent: { resolver: ofResolver, 'nats-server': ofNats },
  }
}
