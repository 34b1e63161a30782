import { pulled } from '#gateway/live/pulled.ts'
import type { PartitionShare } from '#gateway/shedding/shed.ts'
import type { Builder } from './builder.ts'
import type { GraphqlServices } from './context.ts'
import { type KeptFor, type PartitionStatus, type PipelineStatus, pipelineStatus } from './pipeline-status.ts'
import { need } from './rights.ts'

const addTypes = (builder: Builder) => {
  const partition = builder.objectRef<PartitionStatus>('PartitionStatus').implement({
    description: 'heldBy: what keeps the watermark where it is, in words. docs/operations.md says what to do.',
    fields: (t) => ({
      partition: t.exposeInt('partition'),
      owner: t.exposeString('owner', { nullable: true }),
      source: t.exposeString('source'),
      watermark: t.expose('watermark', { type: 'DateTime', nullable: true }),
      pendingEvents: t.expose('pendingEvents', { type: 'BigInt' }),
      lagSeconds: t.exposeFloat('lagSeconds'),
      idle: t.exposeBoolean('idle'),
      heldBy: t.exposeString('heldBy', { nullable: true }),
      holdsBack: t.exposeBoolean('holdsBack', {
        description: 'Whether this clock is the lowest active one of its source: windows wait for it.',
      }),
    }),
  })
  const keptFor = builder.objectRef<KeptFor>('KeptFor').implement({
    description:
      'what: a part of the log (log, settlements, aggregates, late_events), a table of the store, or the archive.',
    fields: (t) => ({ what: t.exposeString('what'), hours: t.exposeFloat('hours') }),
  })
  const shedding = builder.objectRef<PartitionShare>('PartitionShedding').implement({
    description: 'A partition that is too far behind, of which less than all LOW events of the tenant are kept.',
    fields: (t) => ({
      partition: t.exposeInt('partition'),
      share: t.exposeFloat('share', {
        description: 'Share of the sessions whose LOW events are kept, each for 1/share.',
      }),
      since: t.expose('since', { type: 'DateTime' }),
      reason: t.exposeString('reason', { description: 'In words, as it was when the share last fell.' }),
    }),
  })
  return builder.objectRef<PipelineStatus>('PipelineStatus').implement({
    fields: (t) => ({
      asOf: t.expose('asOf', { type: 'DateTime' }),
      partitions: t.expose('partitions', { type: [partition] }),
      heldBackBy: t.exposeStringList('heldBackBy', {
        description: 'In words, for each source: which partitions hold its watermark back, and which are idle.',
      }),
      eventsPerSecond: t.exposeFloat('eventsPerSecond'),
      eventProcessingLatencyP99: t.exposeFloat('eventProcessingLatencyP99', {
        description:
          'Seconds from the acknowledgement of a marker, which takes the way of the events, to its row in the store: P99 of the last 5 minutes; 0 before the first.',
      }),
      consumerLagSeconds: t.exposeFloat('consumerLagSeconds', {
        description: 'Age of the oldest message of the log that no processor has settled.',
      }),
      dashboardFreshnessLag: t.exposeFloat('dashboardFreshnessLag', {
        description: 'Seconds that live subscriptions are behind the log.',
      }),
      eventDropRate: t.exposeFloat('eventDropRate', {
        description:
          'Share (0 to 1) of the events that this gateway received in the last minute and did not take: overloaded, shed or not confirmed. Events that validation rejects are no drops.',
      }),
      dlqEventCount: t.expose('dlqEventCount', {
        type: 'BigInt',
        description: 'Dead letters of the tenant, as the store last said; 0 before it has said anything.',
      }),
      keptShare: t.exposeFloat('keptShare', {
        description:
          'Share of LOW events kept now; 1 when nothing is shed. The mean over all partitions, see shedding for each.',
      }),
      sheddingSince: t.expose('sheddingSince', { type: 'DateTime', nullable: true }),
      shedding: t.expose('shedding', {
        type: [shedding],
        description: 'Partitions in which events of the tenant are shed now.',
      }),
      durability: t.exposeString('durability', {
        description: 'durability: FSYNCED, or UNVERIFIED on a server that does not say so.',
      }),
      kept: t.expose('kept', {
        type: [keptFor],
        description: 'How long things are kept, by the settings of this gateway.',
      }),
    }),
  })
}

const PACE_MS = 1_000

/** The status now, then about once a second while processors report. */
const watchPipeline = (tenant: string, services: GraphqlServices): AsyncIterableIterator<PipelineStatus> => {
  let wake = (): void => {}
  let isDue = true
  const stopListening = services.reports.onReport(() => wake())
  const nextReport = async (signal: AbortSignal): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const pace = setTimeout(() => {
      wake = resolve
    }, PACE_MS)
    const leave = (): void => resolve()
    signal.addEventListener('abort', leave)
    await promise
    signal.removeEventListener('abort', leave)
    clearTimeout(pace)
    wake = () => {}
  }
  const next = async (signal: AbortSignal): Promise<PipelineStatus | undefined> => {
    if (!isDue) await nextReport(signal)
    isDue = false
    return signal.aborted ? undefined : pipelineStatus(tenant, services)
  }
  return pulled(next, stopListening).iterator
}

export const addPipeline = (builder: Builder): void => {
  const status = addTypes(builder)
  builder.queryFields((t) => ({
    pipeline: t.field({
      type: status,
      resolve: (_, __, context) => pipelineStatus(need(context, 'READ').tenant, context.services),
    }),
  }))
  builder.subscriptionFields((t) => ({
    pipeline: t.field({
      type: status,
      subscribe: (_, __, context) => watchPipeline(need(context, 'READ').tenant, context.services),
      resolve: (one: PipelineStatus) => one,
    }),
  }))
}
