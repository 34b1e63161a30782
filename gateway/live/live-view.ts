import type { CheckpointDelta, CheckpointFeed, MetricStore, Reports, WallClock } from '#gateway/ports.ts'
import { DEFAULT_LATENESS_HORIZON_MS } from '#schema/limits.ts'
import type { PartitionReport } from '#schema/report.ts'
import { sliceRetention } from '#schema/slice-retention.ts'
import type { TenantTime } from '#schema/status.ts'
import { createLiveState, type LiveState, type TableName } from './live-state.ts'
import { covers, type Positions } from './positions.ts'
import type { PushSpans } from './push-spans.ts'
import { createRates } from './rates.ts'
import type { SessionTable } from './session-table.ts'
import type { SliceTable } from './slices.ts'

export interface LiveViewOptions {
  feed: CheckpointFeed
  metrics: MetricStore
  partitions: number
  clock: WallClock
  /** Lateness horizon of a tenant, milliseconds: sessions stay for as long as an event can reach them. */
  horizonMs?: (tenant: string) => number
  /** Lets idle partitions count as up to date. */
  reports?: Reports
  log: { warn(fields: object, message: string): void }
  pushSpans?: PushSpans
  /** Pause before a load that failed is tried again, milliseconds. */
  retryMs?: number
}

/** Where a tenant's live data stands. One object per state: equal moments are the same object. */
export interface Moment {
  positions: Positions
  time: TenantTime
}

const SWEEP_MS = 30_000

/**
 * The recent windows of all metrics, summed over partitions: loaded from the processors' state, then kept by following
 * their checkpoints. A checkpoint is applied wholly before anybody is told, and nobody is sent a queue: readers are
 * told that something changed and ask for what is newest when they can use it.
 */
export const createLiveView = (options: LiveViewOptions) => {
  const { feed, metrics, partitions, clock, reports, log, pushSpans, retryMs = 500 } = options
  const { horizonMs = () => DEFAULT_LATENESS_HORIZON_MS } = options
  const closed = new AbortController()
  const listeners = new Map<string, Set<() => void>>()
  const waiters = new Set<() => void>()
  const moments = new Map<string, Moment>()
  const rates = createRates(clock)
  let current: LiveState | undefined
  let following: { stop(): Promise<void> }[] = []
  let loading = 0

  const wake = (tenants: Iterable<string>): void => {
    for (const tenant of tenants) for (const listener of [...(listeners.get(tenant) ?? [])]) listener()
    for (const waiter of [...waiters]) waiter()
  }

  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref())
  const retried = async <T>(what: string, task: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await task()
      } catch (error) {
        if (closed.signal.aborted) throw error
        log.warn({ err: error }, `live view: ${what} failed, trying again`)
        await pause(retryMs)
      }
    }
  }

  const open = async (partition: number, state: LiveState, attempt: number) => {
    const loaded = await retried(`loading partition ${partition}`, () => feed.load(partition))
    state.load(partition, loaded, clock.now())
    const onCheckpoint = (delta: CheckpointDelta): void => {
      if (closed.signal.aborted || attempt !== loading) return
      const touched = state.apply(partition, delta)
      if (touched === false) reload(partition)
      else if (state === current) {
        pushSpans?.applied(delta)
        for (const [tenant, { C, D, L, I }] of Object.entries(delta.settlement.totals)) rates.add(tenant, C + D + L + I)
        wake(touched)
      }
    }
    const onGap = (): void => {
      if (attempt === loading) reload(partition)
    }
    return retried(`following partition ${partition}`, () =>
      feed.follow(partition, loaded?.head.checkpoint ?? 0, onCheckpoint, onGap),
    )
  }

  // Sums cannot give up one partition's share, so all are loaded; until then readers see the state from before.
  const loadAll = async (): Promise<void> => {
    const attempt = ++loading
    const state = createLiveState(partitions, horizonMs)
    const opened = await Promise.all(Array.from({ length: partitions }, (_, p) => open(p, state, attempt)))
    if (attempt !== loading || closed.signal.aborted) {
      await Promise.all(opened.map((follower) => follower.stop()))
      return
    }
    const before = following
    following = opened
    current = state
    wake([...listeners.keys()])
    await Promise.all(before.map((follower) => follower.stop()))
  }
  const run = (): void => {
    loadAll().catch((error) => {
      if (!closed.signal.aborted) log.warn({ err: error }, 'live view: loading failed')
    })
  }
  const reload = (partition: number): void => {
    log.warn({ partition }, 'live view: checkpoints are missing, loading anew')
    loading++
    run()
  }

  const state = (): LiveState => {
    if (!current) throw new Error('the live view is not loaded')
    return current
  }
  const isCurrent = ({ tenant, metric, version }: TableName): boolean => {
    const record = metrics.get(tenant, metric)
    return record === undefined || (!record.deleted && record.definition.version <= version)
  }
  const retentionOf = ({ tenant, metric, size }: SliceTable): number =>
    sliceRetention(metrics.get(tenant, metric)?.definition, size)
  const sweep = (): void => current?.sweep(clock.now(), isCurrent, retentionOf)
  const sweeping = setInterval(sweep, SWEEP_MS)
  sweeping.unref()
  // A definition may be known here after the checkpoint in which it took effect, and nothing else may come for long.
  const stopDefinitions = metrics.onChange((tenant) => wake([tenant]))
  run()

  /** Resolves with true when `isTrue` holds, with false at the deadline or when the signal aborts. */
  const until = (isTrue: () => boolean, deadlineMs: number, signal?: AbortSignal): Promise<boolean> =>
    new Promise((resolve) => {
      const finish = (result: boolean): void => {
        clearTimeout(timer)
        waiters.delete(check)
        signal?.removeEventListener('abort', giveUp)
        resolve(result)
      }
      const giveUp = (): void => finish(false)
      const check = (): void => {
        if (isTrue()) finish(true)
      }
      const timer = setTimeout(giveUp, deadlineMs)
      waiters.add(check)
      signal?.addEventListener('abort', giveUp)
      check()
    })

  const partitionAsOf = (partition: number, heard: readonly PartitionReport[]): number => {
    const report = heard.find((one) => one.partition === partition)
    const upToDate = report && report.checkpoint <= state().positions()[partition]
    const at = Math.max(state().lastAt(partition), upToDate ? report.at : 0)
    // A processor that is behind commits old messages now, and says how old those are that wait.
    return at - (report?.lagSeconds ?? 0) * 1_000
  }

  return {
    isReady: (): boolean => current !== undefined,
    /** Resolves with true once all partitions are loaded, with false when that takes longer. */
    ready: (deadlineMs: number, signal?: AbortSignal): Promise<boolean> =>
      until(() => current !== undefined, deadlineMs, signal),
    /** Resolves with true once all of `positions` is in, with false when that takes longer. */
    reached: (positions: Positions, deadlineMs: number, signal?: AbortSignal): Promise<boolean> =>
      until(() => current !== undefined && covers(current.positions(), positions), deadlineMs, signal),

    moment(tenant: string): Moment {
      const [positions, time] = [state().positions(), state().time(tenant)]
      const known = moments.get(tenant)
      if (known?.positions === positions && known.time === time) return known
      const moment = { positions, time }
      moments.set(tenant, moment)
      return moment
    },

    /** Data are complete up to here as far as every partition is concerned, milliseconds since 1970. */
    asOf(): number {
      const heard = reports?.partitions() ?? []
      let lowest = Number.POSITIVE_INFINITY
      for (let partition = 0; partition < partitions; partition++) {
        const at = partitionAsOf(partition, heard)
        if (at > 0 && at < lowest) lowest = at
      }
      return lowest < Number.POSITIVE_INFINITY ? lowest : clock.now()
    },

    table: (tenant: string, metric: string, version: number, size: number): SliceTable | undefined =>
      state().table(tenant, metric, version, size),
    mark: (tenant: string, metric: string, size: number): number => state().mark(tenant, metric, size),
    sessionTable: (tenant: string, metric: string, version: number, gap: number): SessionTable | undefined =>
      state().sessionTable(tenant, metric, version, gap),
    sessionMark: (tenant: string, metric: string, gap: number): number => state().sessionMark(tenant, metric, gap),
    loaded: (): Positions => state().loaded(),

    /** Last message of a partition's log that is in the view; 0 while nothing is loaded. */
    sequence: (partition: number): number => current?.sequence(partition) ?? 0,

    /** Calls back after every checkpoint, once all who watch its tenants are told, and after all was loaded anew. */
    onAdvance(listener: () => void): () => void {
      waiters.add(listener)
      return () => waiters.delete(listener)
    },

    /** Events of a tenant that were settled, whatever became of them, per second of the last ten. */
    eventsPerSecond: rates.perSecond,

    /** Calls back after every checkpoint that touched the tenant, and after all was loaded anew. */
    onChange(tenant: string, listener: () => void): () => void {
      const ofTenant = listeners.get(tenant) ?? new Set()
      listeners.set(tenant, ofTenant.add(listener))
      return () => {
        ofTenant.delete(listener)
        if (ofTenant.size === 0 && listeners.get(tenant) === ofTenant) listeners.delete(tenant)
      }
    },

    /** Drops windows past their retention; runs by itself as well. */
    sweep,
    async close(): Promise<void> {
      closed.abort()
      clearInterval(sweeping)
      stopDefinitions()
      await Promise.all(following.map((follower) => follower.stop()))
    },
  }
}

export type LiveView = ReturnType<typeof createLiveView>
