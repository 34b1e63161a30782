import type { LogWriter, MetricStore } from '#gateway/ports.ts'
import { BUILTIN_METRICS } from '#schema/builtin-metrics.ts'
import { MillraceError } from '#schema/errors.ts'
import type { ControlRecord } from '#schema/frame.ts'
import type { MetricDefinition, MetricRecord, WindowSpec } from '#schema/metric.ts'
import { checkMetric, type MetricInput } from '#schema/metric-check.ts'

interface MetricAdminOptions {
  metrics: MetricStore
  log: Pick<LogWriter, 'appendControl'>
  partitions: number
  /** Pause before a store that somebody else has just changed is read again, milliseconds. */
  retryMs?: number
}

const MAX_METRICS = 500
const MAX_TRIES = 50

/** Windows with their fields in one order, whoever wrote them. */
const windowContent = (window: WindowSpec): unknown[] => {
  if (window.kind === 'SESSION') return [window.kind, window.gapMs]
  return [window.kind, window.sizeMs, window.kind === 'SLIDING' ? window.slideMs : null]
}

const content = ({ name, event, where, measure, dimensions, windows, sessionGapMs }: MetricInput): string =>
  JSON.stringify([
    name,
    event,
    where,
    measure.kind,
    measure.field,
    measure.k,
    dimensions,
    windows.map(windowContent),
    sessionGapMs ?? null,
  ])

const controlOf = (tenant: string, { definition, deleted }: MetricRecord): ControlRecord =>
  deleted
    ? { kind: 'deleteMetric', tenant, name: definition.name, version: definition.version }
    : { kind: 'defineMetric', tenant, metric: definition }

/**
 * Definitions of metrics on their way into the log. KV first, with a new version; then a control record in every
 * partition; active when all have it. Whoever finds one unfinished completes it: the message ids are the same for all.
 */
export const createMetricAdmin = ({ metrics, log, partitions, retryMs = 50 }: MetricAdminOptions) => {
  const publish = async (tenant: string, record: MetricRecord): Promise<void> => {
    const { definition, deleted } = record
    const control = controlOf(tenant, record)
    const id = `${deleted ? 'delete' : 'define'}-${tenant}-${definition.name}-${definition.version}`
    await Promise.all(Array.from({ length: partitions }, (_, p) => log.appendControl(p, control, `${id}-${p}`)))
    // False: a newer definition is on its way, or another gateway completed this one.
    await metrics.put(tenant, { ...record, active: true }, record)
  }

  const finish = async (tenant: string, record: MetricRecord): Promise<void> => {
    if (record.active) return
    try {
      await publish(tenant, record)
    } catch (error) {
      throw new MillraceError(
        'UNAVAILABLE',
        `metric ${record.definition.name} is stored, but the log did not take it; send the same request again`,
        {},
        { cause: error },
      )
    }
  }

  /** Stores what `change` makes of the present record; `change` answers that very record to leave it. */
  const store = async (
    tenant: string,
    name: string,
    change: (known: MetricRecord | undefined) => MetricRecord | undefined,
  ): Promise<MetricRecord | undefined> => {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      // That nothing is to be changed is decided as well: by what is stored, not by what this gateway has heard of.
      const known = await metrics.newest(tenant, name)
      const record = change(known)
      if (record === known || record === undefined) return record
      if (await metrics.put(tenant, record, known)) return record
      await new Promise((resolve) => setTimeout(resolve, retryMs))
    }
    throw new MillraceError('UNAVAILABLE', `metric ${name} is being changed by somebody else; try again`)
  }

  const changed = (known: MetricRecord | undefined, input: MetricInput): MetricRecord => {
    const isSame = known && !known.deleted && content(known.definition) === content(input)
    if (isSame) return known
    const version = (known?.definition.version ?? 0) + 1
    return { definition: { ...input, version }, deleted: false, active: false }
  }

  /**
   * Defines a metric, or changes it: it counts from its place in the log on. The same definition again changes nothing.
   * Throws BAD_INPUT with what to write instead, or UNAVAILABLE when the log is away.
   */
  const define = async (tenant: string, input: MetricInput): Promise<MetricDefinition> => {
    checkMetric(input)
    const defined = metrics.list(tenant).filter(({ deleted }) => !deleted)
    if (defined.length >= MAX_METRICS && !defined.some(({ definition }) => definition.name === input.name))
      throw new MillraceError('BAD_INPUT', `there are ${MAX_METRICS} metrics already; delete one that is not needed`)
    const record = (await store(tenant, input.name, (known) => changed(known, input)))!
    await finish(tenant, record)
    return record.definition
  }

  /** Completes what another gateway had begun when it ended. */
  const completeUnfinished = async (): Promise<void> => {
    for (const { tenant, record } of metrics.all()) await finish(tenant, record)
  }

  return {
    define,

    /** False when there is no such metric. Throws UNAVAILABLE when the log is away. */
    async remove(tenant: string, name: string): Promise<boolean> {
      let before: MetricRecord | undefined
      const record = await store(tenant, name, (known) => {
        before = known
        if (!known || known.deleted) return known
        const definition = { ...known.definition, version: known.definition.version + 1 }
        return { definition, deleted: true, active: false }
      })
      if (!record) return false
      const isNew = record !== before || !record.active
      await finish(tenant, record)
      return isNew
    },

    completeUnfinished,

    /**
     * Looks now and then for what nobody completes: whoever had begun it may be gone, or the log was away for longer
     * than that one's patience, and until then readers ask for a version that no partition counts yet. Answers what
     * stops it.
     */
    keepComplete(everyMs: number, onFailure: (error: unknown) => void): () => void {
      const timer = setInterval(() => void completeUnfinished().catch(onFailure), everyMs)
      return () => clearInterval(timer)
    },

    /** Gives a tenant the metrics that it starts with; one that was changed or deleted since stays as it is. */
    async ensureBuiltinMetrics(tenant: string): Promise<void> {
      await Promise.all(
        BUILTIN_METRICS.filter(({ name }) => !metrics.get(tenant, name)).map((input) => define(tenant, input)),
      )
    },
  }
}

export type MetricAdmin = ReturnType<typeof createMetricAdmin>
