import { Agent, request } from 'node:http'
import { cpuSecondsOf } from '#scripts/lib/usage.ts'

/** One kind of request, as it goes over the wire. */
export interface Post {
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

/** Sends for so long, the next request on a connection when the one before is answered. */
export const sendFor = async ({ port, pid, connections }: Load, post: Post, ms: number): Promise<Cost> => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const timesMs: number[] = []
  let next = 0
  const before = (await cpuSecondsOf(pid)) ?? 0
  const startedAt = performance.now()
  const worker = async (): Promise<void> => {
    while (performance.now() - startedAt < ms) {
      const at = performance.now()
      await send(agent, port, post, post.body(next++))
      timesMs.push(performance.now() - at)
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
  const seconds = (performance.now() - startedAt) / 1_000
  const cpu = ((await cpuSecondsOf(pid)) ?? 0) - before
  agent.destroy()
  timesMs.sort((a, b) => a - b)
  return { requests: timesMs.length, seconds, cpuUs: (cpu * 1e6) / timesMs.length, timesMs }
}
