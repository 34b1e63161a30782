import { Agent, request } from 'node:http'
import { cpuSecondsOf } from '#scripts/lib/usage.ts'
import { type Ask, openSockets } from './sockets.ts'

/** One kind of request, as it goes over the wire. */
export interface Post {
  /** A POST of its own, or an operation on a WebSocket that stays open: path and type say nothing then. */
  by?: 'POST' | 'socket'
  path: string
  key: string
  contentType: string
  /** Of the request of this number, counted from 0. */
  body: (number: number) => string
  /** Throws when the answer is not what it should be. */
  check?: (status: number, text: string) => void
}

const fail = (status: number, text: string): never => {
  throw new Error(`answered ${status}: ${text.slice(0, 300)}`)
}

const isFine = (status: number, text: string): void => {
  if (status !== 200 || text.includes('"errors"')) fail(status, text)
}

const send = (agent: Agent, port: number, { path, key, contentType, check = isFine }: Post, body: string) =>
  new Promise<void>((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${key}`,
      'content-type': contentType,
      'content-length': Buffer.byteLength(body),
    }
    const call = request({ agent, port, path, method: 'POST', headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        try {
          check(response.statusCode!, Buffer.concat(chunks).toString())
          resolve()
        } catch (error) {
          reject(error)
        }
      })
    })
    call.on('error', reject)
    call.end(body)
  })

export interface Load {
  port: number
  /** Whose CPU time is measured. */
  pid: number
  /** Requests under way at once, each on a connection of its own. */
  connections: number
}

export interface Cost {
  requests: number
  seconds: number
  /** CPU time of the process for one request, microseconds. */
  cpuUs: number
  /** From sending to the whole answer, milliseconds, in order. */
  timesMs: number[]
}

const checked =
  (ask: Ask, check: Post['check'] = isFine) =>
  async (body: string): Promise<void> =>
    check(200, await ask(body))

/** What sends a body and waits for its answer, for each of so many connections. */
const openConnections = async (port: number, post: Post, connections: number) => {
  if (post.by === 'socket') {
    const { asks, close } = await openSockets({ port, key: post.key }, connections)
    return { sends: asks.map((ask) => checked(ask, post.check)), close }
  }
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const sends = Array.from({ length: connections }, () => (body: string) => send(agent, port, post, body))
  return { sends, close: () => agent.destroy() }
}

/** Sends for so long, the next request on a connection when the one before is answered. */
export const sendFor = async ({ port, pid, connections }: Load, post: Post, ms: number): Promise<Cost> => {
  const { sends, close } = await openConnections(port, post, connections)
  const timesMs: number[] = []
  let next = 0
  const before = (await cpuSecondsOf(pid)) ?? 0
  const startedAt = performance.now()
  const work = async (sendOne: (body: string) => Promise<void>): Promise<void> => {
    while (performance.now() - startedAt < ms) {
      const at = performance.now()
      await sendOne(post.body(next++))
      timesMs.push(performance.now() - at)
    }
  }
  await Promise.all(sends.map(work))
  const seconds = (performance.now() - startedAt) / 1_000
  const cpu = ((await cpuSecondsOf(pid)) ?? 0) - before
  close()
  timesMs.sort((a, b) => a - b)
  return { requests: timesMs.length, seconds, cpuUs: (cpu * 1e6) / timesMs.length, timesMs }
}
