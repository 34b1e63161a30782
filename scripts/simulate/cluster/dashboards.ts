import type { MetricRequest } from '#gateway/live/metric-reader.ts'
import type { Point } from '#gateway/live/points.ts'
import type { Update } from '#gateway/live/subscription.ts'
import { type ErrorCode, MillraceError } from '#schema/errors.ts'
import type { WindowSpec } from '#schema/metric.ts'
import type { Cluster } from './cluster.ts'
import { askProcess } from './rpc.ts'
import { TENANT } from './settings.ts'
import type { World } from './world.ts'

export const pointKey = ({ windowStart, dimensions }: Point): string => JSON.stringify([windowStart, dimensions])

export interface Dashboard {
  request: MetricRequest
  /** The last that was pushed of each point. */
  points: Map<string, Point>
  /** Asks its gateway for nothing more than what comes next. */
  isWaiting(): boolean
}

const tumbling = (sizeMs: number): WindowSpec => ({ kind: 'TUMBLING', sizeMs })

const sliding = (sizeMs: number, slideMs: number): WindowSpec => ({ kind: 'SLIDING', sizeMs, slideMs })

const session = (seconds: number): WindowSpec => ({ kind: 'SESSION', gapMs: seconds * 1_000 })

const REQUESTS: readonly MetricRequest[] = [
  { metric: 'events', window: tumbling(10_000) },
  { metric: 'events', window: tumbling(60_000) },
  { metric: 'events', window: sliding(60_000, 20_000) },
  { metric: 'amount', window: sliding(30_000, 10_000) },
  { metric: 'ended', window: tumbling(10_000), by: [] },
  { metric: 'spent', window: session(20) },
  { metric: 'visits', window: session(5) },
  { metric: 'visits', window: session(5), by: [] },
  { metric: 'by_path', window: tumbling(20_000) },
  { metric: 'amount', window: tumbling(10_000) },
  { metric: 'amount', window: tumbling(10_000), by: [] },
  { metric: 'people', window: tumbling(20_000) },
  { metric: 'largest', window: tumbling(60_000) },
]

/** What is told while the metric is another one than the dashboard was made for. */
const WHILE_CHANGED: ReadonlySet<ErrorCode> = new Set(['METRIC_UNKNOWN', 'WINDOW_NOT_DEFINED'])

const isSame = (one: Point | undefined, other: Point): boolean =>
  one !== undefined &&
  one.revision === other.revision &&
  one.status === other.status &&
  one.value === other.value &&
  one.events === other.events

/** A dashboard that comes back with its cursor, to any gateway, whenever its connection ends. */
const openDashboard = (world: World, cluster: Cluster, number: number): Dashboard => {
  const { random } = world
  const request = random.pick(REQUESTS)
  const points = new Map<string, Point>()
  let cursor: string | undefined
  let waiting = false
  const fail = (what: string, point: Point): void =>
    void world.failures.push(`dashboard ${number} (${JSON.stringify(request)}): ${what}: ${JSON.stringify(point)}`)

  const take = ({ kind, points: pushed, cursor: next }: Update): void => {
    if (kind !== 'DELTA') points.clear()
    for (const point of pushed) {
      const known = points.get(pointKey(point))
      if (isSame(known, point)) fail('a point was pushed twice', point)
      if (known && known.revision > point.revision) fail(`a point went back from ${known.revision}`, point)
      points.set(pointKey(point), point)
    }
    cursor = next
  }

  const follow = async (): Promise<void> => {
    const gateway = random.pick(cluster.gateways).current()
    if (!gateway.serving()) throw new Error('connection refused')
    const { reader } = await gateway.services
    const ask = <T>(question: () => Promise<T>) => askProcess(world, gateway.process, question)
    const updates = await ask(() => reader.subscribe(TENANT, { ...request, last: 1_000, after: cursor }))
    try {
      for (;;) {
        waiting = true
        const result = await ask(() => updates.next())
        waiting = false
        // The connection goes while an update is under way: it must come again.
        if (result.done || random.chance(0.03)) return
        take(result.value)
      }
    } finally {
      waiting = false
      void ask(async () => updates.return?.()).catch(() => undefined)
    }
  }

  const run = async (): Promise<void> => {
    for (;;) {
      try {
        await follow()
      } catch (error) {
        if (error instanceof MillraceError && !error.retryable && !WHILE_CHANGED.has(error.code)) {
          world.failures.push(`dashboard ${number} was refused: ${error.code} ${error.message}`)
          return
        }
      }
      await world.scheduler.pause(50 + random.exponential(500))
    }
  }
  void run()
  return { request, points, isWaiting: () => waiting }
}

export const openDashboards = (world: World, cluster: Cluster): Dashboard[] =>
  Array.from({ length: world.random.whole(1, 3) }, (_, i) => openDashboard(world, cluster, i))
