import { randomUUID } from 'node:crypto'
import type { TestProduct } from '#infra/testing/product.ts'
import { partitionOf } from '#schema/hash.ts'
import type { OlapReader } from '#schema/olap.ts'
import { createHttpLink } from '../load/http-link.ts'
import type { Link } from '../load/link.ts'
import { envelopeOf } from '../load/protocol.ts'
import { createLatencyRecord } from './latency.ts'
import { createMarkerBook, type MarkerBook } from './marker-book.ts'
import { subscribeRaw } from './socket.ts'

/** Events by which latency is measured: of a name and a metric of their own, on the way of all events. */
export const MARKER_EVENT = 'bench_marker'
export const MARKER_METRIC = 'bench_markers'

const TENANT = 'main'
/** Markers that may wait for their acknowledgement at once. */
const LINKS = 64
const LONGEST = 4_000
const SILENCE_MS = 30_000
/** Between two questions: what they cost the store is in the figures. */
const SQL_PAUSE_MS = 50
/** Clocks of the row and of this process are the same; the row's is of before the acknowledgement. */
const BEFORE_MS = 2_000

const SUBSCRIPTION = `subscription { metric(name: "${MARKER_METRIC}", window: { tumbling: "PT1M" }, last: 2) {
  points { dimensions value }
} }`

interface Update {
  payload: { data?: { metric: { points: { dimensions: [string]; value: number | null }[] } } }
}

/** A session for each partition. */
const lanesOf = (partitions: number): string[] =>
  Array.from({ length: partitions }, (_, partition) => {
    for (let i = 0; ; i++) if (partitionOf(TENANT, `lane-${i}`, partitions) === partition) return `lane-${i}`
  })

/** Tells a book of what a subscription pushes. */
const watchPushes = ({ endpoints, keys }: TestProduct, book: MarkerBook) =>
  subscribeRaw({
    url: endpoints.ws,
    readToken: keys.readToken,
    query: SUBSCRIPTION,
    variables: {},
    onNext(text) {
      const now = performance.now()
      const points = (JSON.parse(text) as Update).payload.data?.metric.points ?? []
      for (const { dimensions, value } of points) if (value !== null) book.seen(Number(dimensions[0]), value, now)
    },
  })

/** Tells a book of what SQL answers, asked again and again while something is awaited. */
const watchRows = (olap: Pick<OlapReader, 'sql'>, book: MarkerBook) => {
  const stop = new AbortController()
  const ask = async (oldest: number): Promise<void> => {
    const from = Date.now() - (performance.now() - oldest) - BEFORE_MS
    const { rows } = await olap.sql(`
      SELECT (properties->>'$.lane')::INTEGER, max((properties->>'$.number')::INTEGER) FROM raw_events
      WHERE name = '${MARKER_EVENT}' AND received_at >= '${new Date(from).toISOString().slice(0, -1)}' GROUP BY 1`)
    const now = performance.now()
    for (const [lane, number] of rows) book.seen(Number(lane), Number(number), now)
  }
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const oldest = book.oldest()
      // A store that is away is asked again: that is latency too.
      if (oldest !== undefined) await ask(oldest).catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, SQL_PAUSE_MS))
    }
  }
  const done = loop()
  return {
    stop: (): Promise<void> => {
      stop.abort()
      return done
    },
  }
}

const openLinks = (url: string): Promise<Link[]> => {
  const idle: Link[] = []
  return new Promise((resolve) => {
    const onOpen = (link: Link): void => {
      if (!idle.includes(link)) idle.push(link)
      if (idle.length === LINKS) resolve(idle)
    }
    for (let i = 0; i < LINKS; i++) createHttpLink(url, { longest: LONGEST, silenceMs: SILENCE_MS, onOpen })
  })
}

export interface MarkerOptions {
  product: TestProduct
  olap: Pick<OlapReader, 'sql'>
  partitions: number
  perSecond: number
  /** Of the first second that counts (performance.now). */
  startedAt: number
}

/**
 * Sends markers to each partition in turn and notes when each is pushed to a subscription and when SQL answers its row,
 * both from its acknowledgement, on one clock.
 */
export const startMarkers = async ({ product, olap, partitions, perSecond, startedAt }: MarkerOptions) => {
  const { collector } = product.endpoints
  const envelope = envelopeOf({ protocol: 'ndjson', address: collector, writeKey: product.keys.writeKey })
  const [pushed, stored] = [createLatencyRecord(), createLatencyRecord()]
  const bookOf = (record: typeof pushed) =>
    createMarkerBook((at, latencyMs) => record.record((at - startedAt) / 1_000, latencyMs))
  const [pushes, rows] = [bookOf(pushed), bookOf(stored)]
  const lanes = lanesOf(partitions)
  const links = await openLinks(collector)
  const idle = [...links]
  let number = 0
  const counts = { acknowledged: 0, refused: 0, skipped: 0 }

  const send = (): void => {
    const link = idle.pop()
    if (!link?.isOpen()) {
      counts.skipped++
      if (link) idle.push(link)
      return
    }
    const its = ++number
    const lane = its % lanes.length
    const body = JSON.stringify({
      id: randomUUID(),
      name: MARKER_EVENT,
      sessionId: lanes[lane],
      properties: { lane: String(lane), number: its },
    })
    link.send(link.buffer.write(envelope.head(body.length) + body, 'latin1'), 1, (receipt) => {
      idle.push(link)
      if (receipt?.refused.length !== 0) {
        counts.refused++
        return
      }
      counts.acknowledged++
      const now = performance.now()
      pushes.acknowledged(lane, its, now)
      rows.acknowledged(lane, its, now)
    })
  }

  const socket = await watchPushes(product, pushes)
  const sql = watchRows(olap, rows)
  const timer = setInterval(send, 1_000 / perSecond)
  return {
    pushed,
    stored,
    counts,
    /** Still to be seen. */
    waiting: () => ({ pushes: pushes.waiting(), rows: rows.waiting() }),
    endSending: (): void => clearInterval(timer),
    async stop(): Promise<void> {
      clearInterval(timer)
      await sql.stop()
      socket.close()
      for (const link of links) link.close()
    },
  }
}

export type Markers = Awaited<ReturnType<typeof startMarkers>>
