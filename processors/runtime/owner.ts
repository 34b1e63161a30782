import { randomUUID } from 'node:crypto'
import type { Tracer } from '@opentelemetry/api'
import { type Head, STATE_FORMAT } from '#schema/checkpoint.ts'
import type { Hash128 } from '#schema/hash.ts'
import type { PartitionReport } from '#schema/report.ts'
import { sliceRetention } from '#schema/slice-retention.ts'
import { inSpan, NO_TRACER } from '#schema/spans.ts'
import { writeTrace } from '#schema/trace.ts'
import {
  Fenced,
  type Logger,
  LogHole,
  type PartitionLog,
  type ReportExchange,
  type SheddingBook,
  type StateStore,
} from '../ports.ts'
import type { ShareSettings } from '../shedding/controller.ts'
import { createLoadMeter } from '../shedding/load.ts'
import { createShedder } from '../shedding/shedder.ts'
import { PartitionFold } from '../windows/fold.ts'
import type { IdleSettings } from '../windows/idle.ts'
import { firstLiveMinute, type SourceClock } from '../windows/watermark.ts'
import { createBacklog } from './backlog.ts'
import { buildBatch } from './batch.ts'
import { createCheckpointSpans } from './checkpoint-span.ts'
import { createClockReports } from './clock-reports.ts'
import { createCompaction } from './compaction.ts'
import { createLag, secondsBehind } from './lag.ts'
import { createMarks } from './marks.ts'
import { checkpointInterval } from './pace.ts'
import { restoreState } from './restore.ts'
import { pause, Signal } from './signal.ts'
import { createTicker } from './ticker.ts'
import type { Turns } from './turns.ts'

/** Past this much since the last seal, reading waits for the checkpoint under way: memory and batches stay bounded. */
const MOST_PENDING_EVENTS = 20_000
const MOST_PENDING_SERIES = 20_000
/** A settlement is one message, and the frame that passes the bound is in it as well. */
const MOST_PENDING_ENTRIES = 500
/** Storage holds the frames of a checkpoint at once, and the checkpoint itself every late line of them. */
const MOST_PENDING_BYTES = 16_000_000
const TICK_MS = 1_000
/** Clocks of one tick: it is one message. */
const MOST_TICKED = 2_000
const MARKS_MS = 60_000

export interface OwnerMetrics {
  checkpoint(partition: number, durationMs: number, events: number): void
  hole(partition: number, messages: number): void
}

export interface OwnerDeps {
  partition: number
  owner: string
  log: PartitionLog
  state: StateStore
  reports: ReportExchange
  /** What gateways shed when this partition falls behind; none: nothing. */
  shedding?: { book: SheddingBook; settings: ShareSettings }
  seed: Hash128
  /** `checkpointMs`: see checkpointInterval. */
  settings: IdleSettings & { checkpointMs: number }
  /** Milliseconds since 1970, and milliseconds of a clock that never jumps. */
  clock: { now(): number; monotonic(): number }
  logger: Logger
  metrics: OwnerMetrics
  /** The state is read, work begins. */
  onReady?(): void
  /** Of take-overs in this process; none: all at once. */
  turns?: Turns
  tracer?: Tracer
}

/**
 * Takes the epoch of a partition, then reads its state: whoever owned it before can commit nothing more, so what is read
 * is the last word.
 */
const takeOver = async ({ partition, owner, state, seed }: OwnerDeps) => {
  const before = await state.head()
  const head: Head = {
    format: STATE_FORMAT,
    partition,
    epoch: (before.head?.epoch ?? 0) + 1,
    owner,
    nonce: randomUUID(),
    checkpoint: before.head?.checkpoint ?? 0,
    sequence: before.head?.sequence ?? 0,
    manifest: before.head?.manifest ?? [],
    marks: before.head?.marks ?? [],
  }
  const revision = await state.claim(head, before.revision)
  const fold = new PartitionFold(seed, head.sequence)
  const marks = createMarks(head.marks, (tenant, metric, size) =>
    sliceRetention(fold.tenants.get(tenant)?.definitions.get(metric)?.definition, size),
  )
  await restoreState(state, head.manifest, fold, marks.note)
  return { head, revision, fold, marks }
}

/** Takes over when it is this partition's turn: the first is at work again while the others are still read. */
const takeOverInTurn = async (deps: OwnerDeps) => {
  const end = await deps.turns?.take()
  try {
    return await takeOver(deps)
  } finally {
    end?.()
  }
}

/**
 * Owns one partition until `signal` aborts (then it commits what it has and resolves) or another owner takes over
 * (rejects with Fenced). Any other rejection leaves the partition as its last checkpoint says.
 */
export const runPartition = async (deps: OwnerDeps, signal: AbortSignal): Promise<void> => {
  const { partition, log, state, clock, logger, settings } = deps
  const taken = await takeOverInTurn(deps)
  const { fold, marks } = taken
  let { head, revision } = taken
  // Beside the work: it takes nothing that was written after the claim, and trouble costs only space.
  const clearing = state.dropOrphans(head.manifest, revision).catch(() => undefined)
  const { epoch } = head
  const compaction = createCompaction(
    state,
    { epoch, revision },
    {
      row: (row) => marks.isLive(row) && fold.tenant(row.tenant).isCurrent(row),
      session: (row) =>
        fold.tenant(row.tenant).isCurrent(row) &&
        (fold.tenant(row.tenant).isOpenSession(row) || marks.isLiveSession(row)),
      id: (tenant, source, minute) => minute >= firstLiveMinute(fold.tenant(tenant).closedBefore(source)),
    },
  )
  const spans = createCheckpointSpans(deps.tracer ?? NO_TRACER, { partition, owner: deps.owner, epoch }, clock.now)
  const ticker = createTicker(partition, fold, settings, clock.monotonic())
  const clockReports = createClockReports()
  const changed = new Signal()
  const sealed = new Signal()
  const failed = new AbortController()
  const stopping = AbortSignal.any([signal, failed.signal])
  const lag = createLag()
  const backlog = createBacklog()
  const meter = createLoadMeter()
  const shedder = deps.shedding && createShedder({ partition, owner: deps.owner, epoch, ...deps.shedding })
  const read = { bytes: 0, events: 0 }
  /** Of messages read since the last seal. */
  let pendingBytes = 0
  /** What it took to make the last checkpoint. */
  let builtMs = 0
  let marksAt = clock.monotonic()
  logger.info({ partition, epoch, checkpoint: head.checkpoint, sequence: head.sequence }, 'partition taken over')
  deps.onReady?.()

  const checkpoint = async (): Promise<void> => {
    const started = clock.monotonic()
    const now = clock.now()
    if (started - marksAt >= MARKS_MS) {
      marks.advance(now)
      marksAt = started
    }
    const events = fold.pendingEvents
    const content = fold.seal(head.checkpoint + 1, now)
    const span = spans.start({ checkpoint: head.checkpoint + 1, events, from: content.from, to: content.to })
    pendingBytes = 0
    sealed.fire()
    lag.sealed()
    marks.note(content.segment.rows, content.segment.sessions)
    const next = { nonce: randomUUID(), manifest: compaction.apply(head.manifest), marks: marks.list() }
    const batch = { ...buildBatch(content, head, next, now), ...writeTrace(span?.spanContext()) }
    builtMs = clock.monotonic() - started
    revision = await inSpan(span, () => state.commit(batch, revision))
    head = batch.head
    lag.committed()
    compaction.committed(head.manifest, batch.segment && content.segment, revision)
    deps.metrics.checkpoint(partition, clock.monotonic() - started, events)
  }

  const commitLoop = async (): Promise<void> => {
    while (!stopping.aborted) {
      await changed.wait(stopping)
      const started = clock.monotonic()
      if (fold.hasChanges) await checkpoint()
      await pause(checkpointInterval(settings.checkpointMs, builtMs) - (clock.monotonic() - started), stopping)
    }
    if (!failed.signal.aborted && fold.hasChanges) await checkpoint()
  }

  const stillOwner = async (): Promise<void> => {
    const now = await state.head()
    if (now.head?.epoch !== epoch) throw new Fenced(partition, `epoch ${now.head?.epoch} of ${now.head?.owner}`)
  }

  const isFull = (): boolean =>
    fold.pendingEvents >= MOST_PENDING_EVENTS ||
    pendingBytes >= MOST_PENDING_BYTES ||
    fold.pendingSeries >= MOST_PENDING_SERIES ||
    fold.pendingEntries >= MOST_PENDING_ENTRIES

  const readOn = async (): Promise<void> => {
    for await (const message of log.read(fold.sequence + 1, stopping)) {
      // What was delivered already would go past the bounds of the last checkpoint.
      if (stopping.aborted) return
      const before = fold.pendingEvents
      for (const touched of fold.apply(message)) ticker.touched(touched, clock.monotonic())
      spans.read(message)
      pendingBytes += message.data.length
      read.bytes += message.data.length
      read.events += fold.pendingEvents - before
      lag.read(message.storedAt)
      changed.fire()
      while (isFull() && !stopping.aborted) await sealed.wait(stopping)
    }
  }

  const readLoop = async (): Promise<void> => {
    while (!stopping.aborted) {
      try {
        await readOn()
      } catch (error) {
        if (!(error instanceof LogHole)) throw error
        logger.error({ partition, from: error.firstMissing, to: error.lastMissing }, error.message)
        deps.metrics.hole(partition, error.lastMissing - error.firstMissing + 1)
        fold.skipTo(error.lastMissing)
      }
      if (stopping.aborted) return
      // The consumer was lost: either trouble with the connection, or somebody else has made it anew.
      await stillOwner()
      await pause(100, stopping)
    }
  }

  const report = async (): Promise<void> => {
    const extent = await log.range()
    const unread = backlog.look(extent, { sequence: fold.sequence, ...read }, clock.now())
    const pendingFrames = Math.max(0, extent.last - head.sequence)
    const bootedAt = clock.now() - clock.monotonic()
    const lastEventAt = (one: SourceClock): number | undefined => {
      const at = ticker.lastEventAt(one)
      return at === undefined ? undefined : Math.round(bootedAt + at)
    }
    const pendingEvents = fold.pendingEvents + unread.events
    const lagSeconds = lag.seconds(unread.since, clock.now())
    const load = meter.look(clock.monotonic(), fold.tenants.values(), pendingEvents)
    const behindSeconds = secondsBehind(lagSeconds, pendingEvents, load.perSecond)
    const message: PartitionReport = {
      partition,
      owner: deps.owner,
      epoch,
      checkpoint: head.checkpoint,
      sequence: head.sequence,
      pendingFrames,
      pendingEvents,
      lagSeconds,
      load: { behindSeconds, eventsPerSecond: load.perSecond, arrivingPerSecond: load.arrivingPerSecond },
      ...clockReports.next(
        [...fold.tenants.values()].flatMap((tenant) => [...tenant.clocks.values()]),
        lastEventAt,
      ),
      at: clock.now(),
    }
    deps.reports.publish(message)
    const now = { now: clock.now(), monotonic: clock.monotonic() }
    await shedder?.look({ load, behindSeconds, pendingEvents, ...now })
  }

  const tickLoop = async (): Promise<void> => {
    while (!stopping.aborted) {
      await pause(TICK_MS, stopping)
      if (stopping.aborted) return
      try {
        const clocks = ticker.due(deps.reports.partitions(), clock.monotonic())
        for (let at = 0; at < clocks.length; at += MOST_TICKED) {
          await log.append({ kind: 'tick', clocks: clocks.slice(at, at + MOST_TICKED) })
        }
        await report()
      } catch (error) {
        // Neither a tick nor a report is owed: the next second brings another.
        logger.warn({ partition, error: String(error) }, 'no tick')
      }
    }
  }

  const guard = (loop: Promise<void>): Promise<void> =>
    loop.catch((error: unknown) => {
      failed.abort()
      throw error
    })
  const outcome = await Promise.allSettled([guard(commitLoop()), guard(readLoop()), guard(tickLoop())])
  await Promise.all([compaction.settle(), clearing])
  const rejected = outcome.find((result) => result.status === 'rejected')
  if (rejected) throw rejected.reason
  logger.info({ partition, epoch, checkpoint: head.checkpoint }, 'partition given back')
}
