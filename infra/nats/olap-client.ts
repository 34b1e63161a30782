import { createInbox, type Msg } from '@nats-io/transport-node'
import { type PackedAggregates, unpackAggregates } from '#infra/olap/packed.ts'
import { type ErrorCode, HTTP_STATUS, MillraceError } from '#schema/errors.ts'
import type { AggregatesQuery, OlapRow, OlapService, Positions } from '#schema/olap.ts'
import { OLAP_SUBJECT } from '#schema/subjects.ts'
import type { Nats } from './connect.ts'
import { OLAP_HEADERS, type OlapAnswer, type OlapOperation, type OlapRequest, unavailable } from './olap-wire.ts'

interface OlapClientOptions {
  /** Longest silence: before the first chunk, and between two. */
  timeoutMs?: number
}

const AWAY = 'the store does not answer; try again in a few seconds'
const NO_RESPONDERS = 503

/** Collects the chunks of an answer; gives its text when the last one is there. Throws when one is missing. */
const collector = () => {
  const chunks: Uint8Array[] = []
  return (message: Msg): string | undefined => {
    const number = Number(message.headers?.get(OLAP_HEADERS.chunk) || Number.NaN)
    if (number !== chunks.length) throw unavailable('a part of the answer got lost; ask again')
    chunks.push(message.data)
    const total = message.headers?.get(OLAP_HEADERS.end)
    if (!total) return undefined
    if (Number(total) !== chunks.length) throw unavailable('a part of the answer got lost; ask again')
    return Buffer.concat(chunks).toString()
  }
}

const toResult = (text: string): unknown => {
  const answer = JSON.parse(text) as OlapAnswer
  if ('result' in answer) return answer.result
  const { code, message } = answer.error
  throw new MillraceError(code in HTTP_STATUS ? (code as ErrorCode) : 'UNAVAILABLE', message)
}

const receive = (nats: Nats, request: string, timeoutMs: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const inbox = createInbox()
    const add = collector()
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      subscription.unsubscribe()
      settle()
    }
    const fail = (error: unknown): void => finish(() => reject(error))
    const timer = setTimeout(() => fail(unavailable(AWAY)), timeoutMs)
    const subscription = nats.nc.subscribe(inbox, {
      callback(error, message) {
        if (error) return fail(unavailable(AWAY, error))
        if (message.headers?.code === NO_RESPONDERS) return fail(unavailable(AWAY))
        timer.refresh()
        try {
          const text = add(message)
          if (message.reply) message.respond()
          if (text !== undefined) finish(() => resolve(text))
        } catch (reason) {
          fail(reason)
        }
      },
    })
    nats.nc.publish(OLAP_SUBJECT, request, { reply: inbox })
  })

/** Asks the storage process. Rejects with the store's own error, or UNAVAILABLE when it does not answer. */
export const createOlapClient = (nats: Nats, { timeoutMs = 10_000 }: OlapClientOptions = {}): OlapService => {
  const request = async (question: OlapRequest): Promise<never> => {
    if (nats.nc.isClosed()) throw unavailable(AWAY)
    return toResult(await receive(nats, JSON.stringify(question), timeoutMs)) as never
  }
  const ask = (op: OlapOperation, ...args: unknown[]): Promise<never> => request({ op, args })
  /** A store that packs nothing answers rows. */
  const aggregates = async (query: AggregatesQuery): Promise<{ rows: OlapRow[]; positions: Positions }> => {
    const answer: PackedAggregates | { rows: OlapRow[]; positions: Positions } = await request({
      op: 'aggregates',
      args: [query],
      packed: true,
    })
    return 'windows' in answer ? unpackAggregates(query, answer) : answer
  }
  return {
    aggregates,
    sessions: (query) => ask('sessions', query),
    newestSessions: (query) => ask('newestSessions', query),
    events: (query) => ask('events', query),
    deadLetters: (query) => ask('deadLetters', query),
    corrections: (query) => ask('corrections', query),
    totals: (tenant) => ask('totals', tenant),
    ledger: (query) => ask('ledger', query),
    copies: (query) => ask('copies', query),
    definitions: (query) => ask('definitions', query),
    positions: () => ask('positions'),
    markers: (gateway) => ask('markers', gateway),
    sql: (statement) => ask('sql', statement),
    holes: () => ask('holes'),
    acknowledgeHoles: () => ask('acknowledgeHoles'),
  }
}
