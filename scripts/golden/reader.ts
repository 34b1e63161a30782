import { fakeOlap } from '#gateway/live/fake-olap.ts'
import { createLiveView } from '#gateway/live/live-view.ts'
import { createMetricReader } from '#gateway/live/metric-reader.ts'
import type { Point } from '#gateway/live/points.ts'
import { fakeMetricStore } from '#gateway/live/testing.ts'
import type { CheckpointDelta, CheckpointFeed } from '#gateway/ports.ts'
import { DEFAULT_LATENESS_HORIZON_MS } from '#schema/limits.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import type { CaseStep } from './case-file.ts'
import { createDashboard, type Dashboard } from './dashboard.ts'
import { formatClock, parseClock, parseConditions, parseLength, parseMetric, parseWindow } from './parse.ts'
import type { GoldenPartition } from './partition.ts'
import { renderPoint, roundedAs } from './render.ts'

export type Show = Extract<CaseStep, { show: string }>

const [FROM, TO] = [parseClock('00:00-9999d'), parseClock('00:00+9999d')]
const MOST_POINTS = 100_000
const MOST_WINDOWS = 10_000

/** What gateways know besides checkpoints: definitions, and the horizon of each tenant. */
export const createCatalog = () => {
  const metrics = fakeMetricStore()
  const horizons = new Map<string, number>()
  const put = async (tenant: string, definition: MetricDefinition, deleted: boolean): Promise<void> => {
    const known = metrics.get(tenant, definition.name)
    if (known && known.definition.version >= definition.version) return
    await metrics.put(tenant, { definition, deleted, active: true }, known)
  }
  return {
    metrics,
    horizonMs: (tenant: string): number => horizons.get(tenant) ?? DEFAULT_LATENESS_HORIZON_MS,
    async define(tenant: string, definitions: Extract<CaseStep, { define: unknown }>['define']): Promise<void> {
      for (const [name, metric] of Object.entries(definitions)) await put(tenant, parseMetric(name, metric), false)
    },
    /** Takes in what a step changes. */
    async step(step: CaseStep): Promise<void> {
      if ('define' in step) await this.define(step.tenant, step.define)
      if ('settings' in step && step.settings.version === undefined)
        horizons.set(step.tenant, parseLength(step.settings.horizon))
      const known = 'delete' in step ? metrics.get(step.tenant, step.delete) : undefined
      if ('delete' in step && known) await put(step.tenant, { ...known.definition, version: step.version }, true)
    },
  }
}

export type Catalog = ReturnType<typeof createCatalog>

/** Hands the checkpoints of partitions in memory to live views. */
export const createFeed = (partitions: readonly GoldenPartition[]) => {
  const followers = new Set<{ partition: number; give: (delta: CheckpointDelta) => void }>()
  const feed: CheckpointFeed = {
    load: async (partition) => partitions[partition].load(),
    async follow(partition, _after, give) {
      const follower = { partition, give }
      followers.add(follower)
      return { stop: async () => void followers.delete(follower) }
    },
  }
  return {
    feed,
    give(delta: CheckpointDelta): void {
      for (const { partition, give } of followers) if (partition === delta.settlement.partition) give(delta)
    },
  }
}

const requestOf = ({ show, by, where = [] }: Show) => {
  const [metric, ...window] = show.split(' ')
  return { metric, window: parseWindow(window.join(' ')), by, where: parseConditions(where) }
}

/** Points as the case writes them. */
export const shownAs = ({ is }: Pick<Show, 'is'>, points: readonly Point[]): string[] => {
  const revisions = is.some((point) => / r\d+\b/.test(point))
  return points.map((point, i) => roundedAs(is[i], renderPoint(point, revisions)))
}

/** A gateway that reads metrics: its live view is loaded now, and follows from here. */
export const openReader = async (feed: CheckpointFeed, partitions: number, { metrics, horizonMs }: Catalog) => {
  const clock = { now: () => parseClock('10:00') }
  const view = createLiveView({ feed, metrics, partitions, clock, horizonMs, log: { warn() {} } })
  await view.ready(1_000)
  const olap = fakeOlap([]).reader
  const reader = createMetricReader({ view, metrics, olap, clock, deploymentId: 'golden', horizonMs, paceMs: 0 })
  return {
    points: async (show: Show): Promise<string[]> => {
      const request = { ...requestOf(show), from: FROM, to: TO, limit: MOST_POINTS }
      return shownAs(show, (await reader.range(show.tenant, request)).points)
    },
    dashboard: (show: Show): Dashboard =>
      createDashboard(() => reader.subscribe(show.tenant, { ...requestOf(show), last: MOST_WINDOWS })),
    /** What windows are complete up to. */
    watermark(tenant: string): string | null {
      const { watermark } = view.moment(tenant).time
      return watermark === null ? null : formatClock(watermark)
    },
    close: () => view.close(),
  }
}

export type GoldenReader = Awaited<ReturnType<typeof openReader>>
