import type { CheckpointDelta, CheckpointFeed, LoadedPartition, MetricStore } from '#gateway/ports.ts'
import type { AggregateRow, Clock, Mark, SegmentRow, SessionRow } from '#schema/checkpoint.ts'
import type { MetricDefinition, MetricRecord, WindowSpec } from '#schema/metric.ts'
import type { TraceHeaders } from '#schema/trace.ts'

export const TENANT = 'shop'
const MINUTE = 60_000

export const tumbling = (sizeMs: number): WindowSpec => ({ kind: 'TUMBLING', sizeMs })
export const sliding = (sizeMs: number, slideMs: number): WindowSpec => ({ kind: 'SLIDING', sizeMs, slideMs })

export const definition = (over: Partial<MetricDefinition> = {}): MetricDefinition => ({
  name: 'views',
  event: 'page_view',
  where: [],
  measure: { kind: 'COUNT' },
  dimensions: ['country', 'properties.path'],
  windows: [{ kind: 'TUMBLING', sizeMs: MINUTE }],
  version: 1,
  ...over,
})

/** A delta of COUNT: `events` page views of a country and path in the minute that starts at `start`. */
export const row = (start: number, dims: (string | null)[], events: number, over: Partial<AggregateRow> = {}) => ({
  tenant: TENANT,
  metric: 'views',
  version: 1,
  size: MINUTE,
  start,
  dims,
  events,
  corrections: 0,
  n: events,
  ...over,
})

/** A row of COUNT of the session `session` with the gap of a minute, which begins at `start` and ends at `end`. */
export const sessionRow = (
  session: string,
  [start, end]: [number, number],
  dims: (string | null)[],
  events: number,
  over: Partial<SessionRow> = {},
): SessionRow => ({
  tenant: TENANT,
  metric: 'views',
  version: 1,
  gap: MINUTE,
  source: 'live',
  session,
  start,
  end,
  dims,
  events,
  corrections: 0,
  revision: 1,
  ...(over.retracted ? {} : { n: events }),
  ...over,
})

export const liveClock = (watermark: number, over: Partial<Clock> = {}): Clock => ({
  tenant: TENANT,
  source: 'live',
  watermark,
  idle: false,
  ...over,
})

export const fakeMetricStore = (...definitions: MetricDefinition[]): MetricStore => {
  const records = new Map<string, MetricRecord>()
  const listeners = new Set<(tenant: string, record: MetricRecord) => void>()
  for (const one of definitions) records.set(`${TENANT} ${one.name}`, { definition: one, deleted: false, active: true })
  return {
    get: (tenant, name) => records.get(`${tenant} ${name}`),
    newest: async (tenant, name) => records.get(`${tenant} ${name}`),
    list: (tenant) => [...records].filter(([key]) => key.startsWith(`${tenant} `)).map(([, record]) => record),
    all: () => [...records].map(([key, record]) => ({ tenant: key.split(' ')[0], record })),
    async put(tenant, record, replaces) {
      const key = `${tenant} ${record.definition.name}`
      if (records.get(key) !== replaces) return false
      records.set(key, record)
      for (const listener of listeners) listener(tenant, record)
      return true
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

interface Follower {
  partition: number
  after: number
  give(delta: CheckpointDelta): void
  gap(): void
}

/** Checkpoints of all partitions in memory, and what a view may load of them. */
export const fakeCheckpoints = (partitions: number) => {
  const history = Array.from({ length: partitions }, () => [] as CheckpointDelta[])
  const followers = new Set<Follower>()
  let marks: Mark[] = []
  let dropped: (row: AggregateRow | SessionRow) => boolean = () => false

  const load = (partition: number): LoadedPartition | null => {
    const deltas = history[partition]
    if (deltas.length === 0) return null
    const rows = deltas.flatMap(({ settlement, rows: changed }): SegmentRow[] =>
      changed
        .filter((one) => !dropped(one))
        .map((one) => ({ ...one, changed: settlement.checkpoint, changedAt: settlement.at, revision: 1 })),
    )
    const sessions = deltas.flatMap(({ settlement: { checkpoint, at }, sessions: changed }) =>
      changed.filter((one) => !dropped(one)).map((one) => ({ ...one, changed: checkpoint, changedAt: at })),
    )
    const clocks = new Map(deltas.flatMap(({ settlement }) => settlement.clocks).map((one) => [one.source, one]))
    const head = {
      format: 1,
      partition,
      epoch: 1,
      owner: 'test',
      nonce: '',
      checkpoint: deltas.length,
      sequence: 0,
      manifest: [],
      marks,
    }
    return { head, rows, sessions, clocks: [...clocks.values()], definitions: [] }
  }

  const feed: CheckpointFeed = {
    load: async (partition) => load(partition),
    async follow(partition, after, give, gap) {
      const follower = { partition, after, give, gap }
      followers.add(follower)
      for (const delta of history[partition].slice(after)) give(delta)
      return { stop: async () => void followers.delete(follower) }
    },
  }

  return {
    feed,
    history,
    followers: () => followers.size,
    /** Commits one checkpoint and hands it to all who follow. */
    commit(
      partition: number,
      rows: AggregateRow[],
      { clocks = [] as Clock[], at = 1_000, to = 0, trace = {} as TraceHeaders, sessions = [] as SessionRow[] } = {},
    ): void {
      const delta: CheckpointDelta = {
        ...trace,
        rows,
        sessions,
        settlement: {
          format: 1,
          partition,
          checkpoint: history[partition].length + 1,
          epoch: 1,
          from: 1,
          to,
          aggregates: 0,
          late: 0,
          totals: {},
          outcomes: {},
          clocks,
          definitions: [],
          at,
        },
      }
      history[partition].push(delta)
      for (const follower of [...followers]) if (follower.partition === partition) follower.give(delta)
    },
    /** A checkpoint that stands in the history already reaches those who follow. */
    deliver(partition: number, delta: CheckpointDelta): void {
      for (const follower of [...followers]) if (follower.partition === partition) follower.give(delta)
    },
    /** The outputs of a partition are gone before its followers had them. */
    gap(partition: number): void {
      for (const follower of [...followers]) if (follower.partition === partition) follower.gap()
    },
    /** From now on views load without these rows, which the processors have let go. */
    leave(gone: (row: AggregateRow | SessionRow) => boolean, left: Mark[]): void {
      dropped = gone
      marks = left
    },
  }
}

/** Reads an async iterator without waiting for what has not come yet. */
export const createPuller = <T>(iterator: AsyncIterator<T>) => {
  let pending: Promise<IteratorResult<T>> | undefined
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  const pullOne = async (): Promise<T | undefined> => {
    pending ??= iterator.next()
    const result = await Promise.race([pending, turns().then(() => undefined)])
    if (!result) return undefined
    pending = undefined
    return result.done ? undefined : result.value
  }
  return {
    /** Everything that can be had now. */
    async pull(): Promise<T[]> {
      const got: T[] = []
      for (let one = await pullOne(); one !== undefined; one = await pullOne()) got.push(one)
      return got
    },
    /** The next one, whenever it comes. */
    async next(): Promise<T> {
      const result = await (pending ?? iterator.next())
      pending = undefined
      return result.value as T
    },
    end: async (): Promise<void> => void (await iterator.return?.()),
  }
}
