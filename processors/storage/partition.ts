import type { SessionRow, Settlement } from '#schema/checkpoint.ts'
import type { Hole } from '#schema/olap.ts'
import type { CheckpointOutputs, Logger, OlapPart, OutputFeed, SettlementsGone, StoredPartition } from '../ports.ts'
import { pause } from '../runtime/signal.ts'
import type { Turns } from '../runtime/turns.ts'
import { readSettled } from './frames.ts'
import { describeHole } from './holes.ts'
import { FrameMismatch } from './lines.ts'
import { PartitionMemory } from './memory.ts'
import { type SizedPart, toPart } from './part.ts'
import { createRefill, type Refill } from './refill.ts'
import { type Repair, repairSessions } from './session-repair.ts'

export interface FollowDeps {
  partition: number
  start: StoredPartition
  feed: OutputFeed
  /** Of refills: memory holds the windows of one partition, however many are behind. */
  turns: Turns
  /** Takes a part to be written; resolves when there is room for the next. */
  add(part: SizedPart): Promise<void>
  /** The last checkpoint that is written. */
  written(): number
  /** Of what is written: sessions that may still change. */
  openSessions(): Promise<SessionRow[]>
  /** The store lacks something: its sessions may be cut. */
  behindHole: boolean
  retryMs: number
  logger: Logger
  signal: AbortSignal
}

const WRITTEN_MS = 20

export interface Follower {
  /** Why the partition is not up to date, in words. */
  problem(): string | undefined
  done: Promise<void>
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const isGone = (item: CheckpointOutputs | SettlementsGone): item is SettlementsGone => !('settlement' in item)

/** Whether the store folds on without what it lacks, so that its sessions may be cut; the processor had it all. */
export const isLacking = ({ lostBy, aggregates }: Hole): boolean => lostBy === 'STORE' && !aggregates

/** What is written for checkpoints of which nothing is left. The definitions of now hold from here on. */
const lostPart = async (feed: OutputFeed, memory: PartitionMemory, partition: number, gone: SettlementsGone) => {
  const { checkpoint, sequence } = gone
  const { definitions, tenants } = await feed.newestState(partition)
  const [firstCheckpoint, firstSequence] = [memory.checkpoint + 1, memory.sequence + 1]
  const hole = { partition, firstCheckpoint, lastCheckpoint: checkpoint, firstSequence, lastSequence: sequence }
  const part: OlapPart = {
    partition,
    after: memory.checkpoint,
    checkpoint,
    sequence,
    raw: [],
    aggregates: [],
    sessions: [],
    replaced: [],
    late: [],
    duplicates: {},
    repeated: [],
    settled: [],
    definitions,
    markers: [],
    clocks: [],
    tenants,
    holes: sequence < firstSequence ? [] : [{ ...hole, events: null, lostBy: 'STORE' as const, aggregates: false }],
  }
  return { part, bytes: 0 }
}

/**
 * Reads the checkpoints of one partition from the store's position on. Deltas that have expired are made anew from the
 * log; what the log no longer has is a hole, and what comes after it is stored all the same.
 */
export const followPartition = (deps: FollowDeps): Follower => {
  const { partition, feed, turns, logger, signal } = deps
  const memory = new PartitionMemory(deps.start)
  let refill: { fold: Refill; end: () => void } | undefined
  let refillTo = 0
  let halted: string | undefined
  let { behindHole } = deps

  const endRefill = (): void => {
    refill?.end()
    refill = undefined
  }

  /** Sessions that are open after the last checkpoint that was read. */
  const openSessions = async (): Promise<SessionRow[]> => {
    while (deps.written() < memory.checkpoint) {
      await pause(WRITTEN_MS, signal)
      // What is written after this process has stopped, nobody waits for.
      signal.throwIfAborted()
    }
    return deps.openSessions()
  }

  const startRefill = async (): Promise<Refill> => {
    const [from, to] = [memory.checkpoint + 1, await feed.newest(partition)]
    refillTo = Math.max(refillTo, to, from)
    logger.warn({ partition, from }, 'deltas of checkpoints have expired: they are made anew from the log')
    const end = await turns.take()
    try {
      refill = { fold: createRefill(memory.state(), await openSessions()), end }
      return refill.fold
    } catch (error) {
      end()
      throw error
    }
  }

  const repair = async ({ checkpoint }: Settlement): Promise<Repair> => {
    if (!behindHole) return { replaced: [], sessions: [] }
    return repairSessions(await openSessions(), await feed.liveSessions(partition), checkpoint)
  }

  const partOf = async (outputs: CheckpointOutputs): Promise<SizedPart> => {
    const { settlement, aggregates, sessions, late } = outputs
    const frames = await readSettled(feed, settlement)
    // One without deltas has lost none, whatever became of those beside it.
    const isSilent = settlement.aggregates === 0
    if (aggregates && sessions && late && !(refill && isSilent)) {
      endRefill()
      if (isSilent) return toPart(outputs, frames, { aggregates, sessions, late })
      const { replaced, sessions: repaired } = await repair(settlement)
      const part = toPart(outputs, frames, { aggregates, sessions: [...repaired, ...sessions], late }, replaced)
      behindHole = false
      return part
    }
    const fold = refill?.fold ?? (await startRefill())
    try {
      const anew = fold.deltas(settlement, frames.messages)
      const deltas = aggregates && sessions ? { aggregates, sessions } : anew
      return toPart(outputs, frames, { ...deltas, late: late ?? anew.late })
    } catch (error) {
      // It may have folded a part of it.
      endRefill()
      throw error
    }
  }

  const take = async (item: CheckpointOutputs | SettlementsGone): Promise<void> => {
    if (isGone(item)) endRefill()
    const sized = await (isGone(item) ? lostPart(feed, memory, partition, item) : partOf(item))
    for (const hole of sized.part.holes) logger.error({ ...hole }, describeHole(hole))
    behindHole ||= sized.part.holes.some(isLacking)
    memory.note(sized.part)
    if (memory.checkpoint >= refillTo) endRefill()
    await deps.add(sized)
  }

  const follow = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        for await (const item of feed.read(partition, memory.checkpoint, signal)) {
          await take(item)
          if (signal.aborted) return
        }
      } catch (error) {
        if (error instanceof FrameMismatch) {
          halted = `${message(error)}; nothing more of this partition is stored`
          logger.error({ partition, checkpoint: memory.checkpoint }, halted)
          return
        }
        if (!signal.aborted) logger.warn({ partition, error: message(error) }, 'reading outputs failed; trying again')
      }
      await pause(deps.retryMs, signal)
    }
  }

  return {
    problem() {
      if (halted !== undefined) return halted
      const written = deps.written()
      if (written >= refillTo) return undefined
      return `partition ${partition}: deltas have expired and are made anew from the log, at checkpoint ${written} of ${refillTo}`
    },
    done: follow().finally(endRefill),
  }
}
