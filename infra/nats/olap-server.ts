import { headers, type Msg } from '@nats-io/transport-node'
import type { PackedReader } from '#infra/olap/packed.ts'
import { MillraceError } from '#schema/errors.ts'
import type { AggregatesQuery, OlapService } from '#schema/olap.ts'
import { OLAP_SUBJECT } from '#schema/subjects.ts'
import type { Nats } from './connect.ts'
import {
  ACK_EVERY,
  answerRequest,
  CHUNK_BYTES,
  OLAP_HEADERS,
  type OlapAnswer,
  type OlapRequest,
  unavailable,
} from './olap-wire.ts'

const ACK_TIMEOUT_MS = 10_000

interface OlapServerOptions {
  olap: OlapService
  /** Answers those who take packed aggregates. */
  packed?: PackedReader
  logger: { warn(fields: object, message: string): void }
  /** Requests that are answered or wait; one more is told to come later. */
  maxRequests?: number
}

const toError = (error: unknown): OlapAnswer => {
  const message = error instanceof Error ? error.message : String(error)
  return { error: { code: error instanceof MillraceError ? error.code : 'UNAVAILABLE', message } }
}

/** Sends an answer of any size. Gives up when the one who asked is gone. */
const send = async (nats: Nats, to: string, answer: string): Promise<void> => {
  const data = Buffer.from(answer)
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
export const serveOlap = (nats: Nats, { olap, packed, logger, maxRequests = 1_000 }: OlapServerOptions) => {
  const underWay = new Set<Promise<void>>()

  /** JSON of OlapAnswer. */
  const answer = async (message: Msg): Promise<string> => {
    try {
      if (underWay.size >= maxRequests) throw unavailable('the store has too many questions to answer; try again')
      const request = message.json<OlapRequest>()
      if (packed && request.packed && request.op === 'aggregates' && Array.isArray(request.args)) {
        return `{"result":${await packed.packedAggregates(request.args[0] as AggregatesQuery)}}`
      }
      return JSON.stringify({ result: await answerRequest(olap, request) } satisfies OlapAnswer)
    } catch (error) {
      return JSON.stringify(toError(error))
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
