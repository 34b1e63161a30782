import type { RawEvents } from '#processors/ports.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import type { Hole, StoredHole } from '#schema/olap.ts'
import type { Range, SettledFrames } from './frames.ts'

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)

/** What the store will lack of a checkpoint. `aggregates`: whether its deltas come from when all of it was there. */
export const holesOf = (
  settlement: Settlement,
  { missing }: SettledFrames,
  raw: readonly RawEvents[],
  aggregates: boolean,
): Hole[] => {
  const { partition, checkpoint, totals, missing: neverRead = [] } = settlement
  const counted = sum(Object.values(totals).map(({ C }) => C)) - sum(raw.map(({ indexes }) => indexes.length))
  const hole = ({ from, to }: Range): Omit<Hole, 'events' | 'lostBy' | 'aggregates'> => ({
    partition,
    firstCheckpoint: checkpoint,
    lastCheckpoint: checkpoint,
    firstSequence: from,
    lastSequence: to,
  })
  return [
    ...neverRead.map((range): Hole => ({ ...hole(range), events: null, lostBy: 'PROCESSOR', aggregates: false })),
    // The settlement tells the sum of all that is missing, so that stands at the first range.
    ...missing.map(
      (range, i): Hole => ({ ...hole(range), events: i === 0 ? counted : 0, lostBy: 'STORE', aggregates }),
    ),
  ]
}

/** Whether `next` goes on where `hole` ends, and is of the same kind. Where nothing counted, nothing can be lacking. */
const goesOn = (hole: Hole, next: Hole): boolean =>
  hole.partition === next.partition &&
  hole.lostBy === next.lostBy &&
  (hole.aggregates === next.aggregates || hole.events === 0 || next.events === 0) &&
  hole.lastSequence + 1 === next.firstSequence

/** Holes in the order in which they were found, each as long as it is. */
export const joinHoles = (holes: readonly Hole[]): Hole[] => {
  const joined: Hole[] = []
  for (const next of holes) {
    const last = joined.at(-1)
    if (!last || !goesOn(last, next)) {
      joined.push(next)
      continue
    }
    const events = last.events === null || next.events === null ? null : last.events + next.events
    const { lastCheckpoint, lastSequence } = next
    const { aggregates } = next.events === 0 ? last : next
    joined[joined.length - 1] = { ...last, lastCheckpoint, lastSequence, events, aggregates }
  }
  return joined
}

export const messagesIn = ({ firstSequence, lastSequence }: Hole): number => lastSequence - firstSequence + 1

/** The archive has given back all that had counted, and points had it all along. */
export const isHealed = ({ aggregates, events, restored }: Partial<StoredHole>): boolean =>
  aggregates === true && events != null && (restored?.events ?? 0) >= events

/** What of it is in the store again. */
const describeRestored = ({ restored, lastSequence }: Hole & Pick<Partial<StoredHole>, 'restored'>): string => {
  if (!restored) return ''
  const where = restored.to < lastSequence ? ` so far (up to message ${restored.to})` : ''
  if (restored.events === 0) return `; the archive has none of them${where}`
  return `; ${restored.events} of them are in raw_events again from the archive${where}`
}

/** A hole in words, exactly. */
export const describeHole = (hole: Hole & Pick<Partial<StoredHole>, 'restored'>): string => {
  const { partition, firstSequence, lastSequence, firstCheckpoint, lastCheckpoint, events, lostBy } = hole
  const what = `partition ${partition}: messages ${firstSequence} to ${lastSequence} of the log`
  const when = `checkpoints ${firstCheckpoint} to ${lastCheckpoint}`
  if (lostBy === 'PROCESSOR') return `${what} (${when}) had expired before a processor read them: they count nowhere`
  const lost = events === null ? 'nobody knows how many events' : `${events} counted events`
  const points = hole.aggregates ? 'points of metrics hold them' : 'points of metrics lack them'
  return `${what} (${when}, ${lost}) had expired before they were stored: raw_events lacks them, ${points}${describeRestored(hole)}`
}

/** Of those that no operator has taken note of. */
export const holeProblems = (holes: readonly StoredHole[]): string[] =>
  holes
    .filter((hole) => hole.acknowledgedAt === null && !isHealed(hole))
    .map((hole) => `${describeHole(hole)}; "npm run holes -- --acknowledge" ends this alarm`)
