import { headers, type Msg } from '@nats-io/transport-node'
import { MillraceError } from '#schema/errors.ts'
import type { OlapService } from '#schema/olap.ts'
import { OLAP_SUBJECT } from '#schema/subjects.ts'
import type { Nats } from './connect.ts'
import { ACK_EVERY, answerRequest, CHUNK_BYTES, OLAP_HEADERS, type OlapAnswer, unavailable } from './olap-wire.ts'

const ACK_TIMEOUT_MS = 10_000

interface OlapServerOptions {
  olap: OlapService
  logger: { warn(fields: object, message: string): void }
  /** Requests that are answered or wait; one more is told to come later. */
  maxRequests?: number
}

const toError = (error: unknown): OlapAnswer => {
  const message = error instanceof Error ? error.message : String(error)
  return { error: { code: error instanceof MillraceError ? error.code : 'UNAVAILABLE', message } }
}

/** Sends an answer of any size. Gives up when the one who asked is gone. */
const send = async (nats: Nats, to: string, answer: OlapAnswer): Promise<void> => {
  const data = Buffer.from(JSON.stringify(answer))
  const chunks = Math.ceil(data.length / CHUNK_BYTES)
  for (let chunk = 0; chunk < chunks; chunk++) {
    const set = headers()
    set.set(OLAP_HEADERS.chunk, String(chunk))
    if (chunk === chunks - 1) set.set(OLAP_HEADERS.end, String(chunks))
    const part = data.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)
    if (chunk % ACK_EVERY === ACK_EVERY - 1) {
      await nats.nc.request(to, part, { headers: set, timeout: ACK_TIMEOUT_MS })
    } else nats.nc.publish(to, part, { headers: set })
  }
}

/** Answers questions to the store over NATS. */
export const serveOlap = (nats: Nats, { olap, logger, maxRequests = 1_000 }: OlapServerOptions) => {
  const underWay = new Set<Promise<void>>()

  const answer = async (message: Msg): Promise<OlapAnswer> => {
    try {
      if (underWay.size >= maxRequests) throw unavailable('the store has too many questions to answer; try again')
      return { result: await answerRequest(olap, message.json()) }
    } catch (error) {
      return toError(error)
    }
  }
  const handle = async (message: Msg): Promise<void> => {
    if (!message.reply) return
    try {
      await send(nats, message.reply, await answer(message))
    } catch (error) {
      logger.warn({ error: String(error) }, 'an answer of the store did not reach the one who asked')
    }
  }
  const subscription = nats.nc.subscribe(OLAP_SUBJECT, {
    queue: 'olap',
    callback(error, message) {
      if (error) return
      const handled: Promise<void> = handle(message).finally(() => underWay.delete(handled))
      underWay.add(handled)
    },
  })
  return {
    /** Answers what was asked, and takes no more. */
    async stop(): Promise<void> {
      if (!subscription.isClosed()) await subscription.drain()
      await Promise.all(underWay)
    },
  }
}
