import type { GraphQLFormattedError } from 'graphql'
import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { choiceVariables, type MetricChoice, POINT_FIELDS, type Point, pointKey } from './graphql.ts'
import type { TestProduct } from './product.ts'

interface Update {
  kind: 'SNAPSHOT' | 'DELTA' | 'RESET'
  points: Point[]
  cursor: string
}

/** A dashboard that comes back with its cursor whenever its connection ends. */
export interface Subscriber extends AsyncDisposable {
  /** The last value pushed of each point, by its key. */
  points: ReadonlyMap<string, Point>
  /** Updates by kind. */
  kinds: Record<Update['kind'], number>
  /** Subscriptions that gave at least one update. */
  connections(): number
  /** Points that were pushed again just as they had been: seen twice. */
  repeated: Point[]
  /** Points whose revision went back: something was lost, or came from somewhere else. */
  backwards: Point[]
  /** Ends the connection, as a network does; it comes back with its cursor. */
  disconnect(): void
  /** Resolves when `condition` holds, asked after every update; rejects after a minute. */
  sees(what: string, condition: (points: ReadonlyMap<string, Point>) => boolean, deadlineMs?: number): Promise<void>
}

const SUBSCRIPTION = `subscription ($name: String!, $window: WindowInput!, $by: [String!], $last: Int!, $after: Cursor) {
  metric(name: $name, window: $window, by: $by, last: $last, after: $after) {
    kind cursor points { ${POINT_FIELDS} }
  }
}`
/** As many as there may be. */
const LAST = 10_000
const AGAIN_MS = 100
const DEADLINE_MS = 60_000

/** Ended before it was open it says so by an error, when nobody of graphql-ws listens any more. */
class Socket extends WebSocket {
  constructor(...args: ConstructorParameters<typeof WebSocket>) {
    super(...args)
    this.on('error', () => {})
  }
}

const sameAs = (one: Point | undefined, other: Point): boolean =>
  one !== undefined &&
  one.revision === other.revision &&
  one.status === other.status &&
  one.value === other.value &&
  one.events === other.events

/** What was pushed, and what should never have been. */
const createRecord = () => {
  const points = new Map<string, Point>()
  const kinds = { SNAPSHOT: 0, DELTA: 0, RESET: 0 }
  const repeated: Point[] = []
  const backwards: Point[] = []
  const add = ({ kind, points: pushed }: Update): void => {
    kinds[kind]++
    if (kind !== 'DELTA') points.clear()
    for (const point of pushed) {
      const key = pointKey(point)
      const known = points.get(key)
      if (sameAs(known, point)) repeated.push(point)
      if (known && known.revision > point.revision) backwards.push(point)
      points.set(key, point)
    }
  }
  return { points, kinds, repeated, backwards, add }
}

/** Resolves after the first update. With several addresses each connection goes to the next one. */
export const subscribe = async (
  { endpoints, keys }: Pick<TestProduct, 'endpoints' | 'keys'>,
  choice: MetricChoice,
  addresses: readonly string[] = [endpoints.ws],
): Promise<Subscriber> => {
  const record = createRecord()
  const listeners = new Set<() => void>()
  const leaving = new AbortController()
  const first = Promise.withResolvers<void>()
  const refusals: GraphQLFormattedError[] = []
  let connections = 0
  let attempts = 0
  let disconnect = (): void => {}
  let cursor: string | undefined
  const connect = (): Client =>
    createClient({
      url: addresses[attempts++ % addresses.length],
      webSocketImpl: Socket,
      connectionParams: { authorization: `Bearer ${keys.readToken}` },
      // Reconnecting is done here: a subscription goes on after its cursor.
      retryAttempts: 0,
      lazyCloseTimeout: 0,
    })
  /** Only what may be different next time is asked again. */
  const refuse = (errors: readonly GraphQLFormattedError[]): void => {
    if (errors.every(({ extensions }) => extensions?.retryable === true)) return
    first.reject(new Error(JSON.stringify(errors)))
    refusals.push(...errors)
    leaving.abort()
  }
  const follow = async (): Promise<void> => {
    const client = connect()
    const leave = () => client.terminate()
    leaving.signal.addEventListener('abort', leave)
    disconnect = leave
    try {
      const variables = { ...choiceVariables(choice), last: LAST, after: cursor }
      let counted = false
      for await (const { data, errors } of client.iterate<{ metric: Update }>({ query: SUBSCRIPTION, variables })) {
        if (errors || !data) return refuse(errors ?? [])
        if (!counted) connections++
        counted = true
        cursor = data.metric.cursor
        record.add(data.metric)
        first.resolve()
        for (const listener of listeners) listener()
      }
    } finally {
      leaving.signal.removeEventListener('abort', leave)
      await client.dispose()
    }
  }
  const run = async (): Promise<void> => {
    while (!leaving.signal.aborted) {
      // A gateway that is away, or not ready yet, is asked again.
      await follow().catch(() => {})
      if (!leaving.signal.aborted) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
  }
  const running = run()
  await first.promise
  return {
    ...record,
    connections: () => connections,
    disconnect: () => disconnect(),
    sees: (what, condition, deadlineMs = DEADLINE_MS) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!condition(record.points)) return
          clearTimeout(timer)
          listeners.delete(look)
          resolve()
        }
        const timer = setTimeout(() => {
          listeners.delete(look)
          reject(new Error(`not pushed within ${deadlineMs} ms: ${what}; refused: ${JSON.stringify(refusals)}`))
        }, deadlineMs)
        listeners.add(look)
        look()
      }),
    [Symbol.asyncDispose]: async () => {
      leaving.abort()
      await running
    },
  }
}
