import type { Segment, SegmentIds, SegmentRef } from '#schema/checkpoint.ts'
import { emptySegment } from '#schema/segment.ts'
import type { StateStore } from '../ports.ts'
import type { PartitionFold } from '../windows/fold.ts'

/** Chunks that are asked for before they are needed. */
const AHEAD = 4

/** Results of `read` in the order of the items, the next few of them under way already. */
async function* readAhead<I, T>(items: readonly I[], read: (item: I) => Promise<T>): AsyncGenerator<T> {
  const underWay: Promise<T>[] = []
  for (let at = 0; at < items.length; at++) {
    for (let next = at + underWay.length; next < Math.min(items.length, at + AHEAD); next++) {
      const reading = read(items[next])
      // Whoever awaits it hears of its failure; before that nobody does.
      reading.catch(() => undefined)
      underWay.push(reading)
    }
    yield await (underWay.shift() as Promise<T>)
  }
}

/** Pieces of the same tenant and source as one. */
const joinIds = (pieces: readonly SegmentIds[]): SegmentIds[] => {
  const groups = Map.groupBy(pieces, ({ tenant, source }) => `${tenant}\n${source}`)
  return [...groups.values()].map((group) => {
    const words = new Uint32Array(group.reduce((sum, piece) => sum + piece.words.length, 0))
    let at = 0
    for (const piece of group) {
      words.set(piece.words, at)
      at += piece.words.length
    }
    return { tenant: group[0].tenant, source: group[0].source, words }
  })
}

/**
 * Puts the state that a manifest names into a fold, chunk by chunk, so that heartbeats and other partitions go on
 * meanwhile, and no more than a few chunks and 20 bytes an identity are in memory beside it. What the first chunk of each segment says goes first:
 * which definitions hold, and which identities are old enough to be forgotten.
 */
export const restoreState = async (
  state: Pick<StateStore, 'readChunk'>,
  manifest: readonly SegmentRef[],
  fold: PartitionFold,
  onRows: (rows: Segment['rows'], sessions: Segment['sessions']) => void,
): Promise<void> => {
  const firsts: Segment[] = []
  const written = manifest.filter(({ chunks }) => chunks > 0)
  for await (const first of readAhead(written, (ref) => state.readChunk(ref, 0))) {
    fold.restore({ ...first, rows: [], sessions: [], ids: [] })
    firsts.push(first)
  }
  const identities: SegmentIds[] = []
  const restore = ({ rows, sessions, ids }: Segment): void => {
    fold.restore({ ...emptySegment(), rows, sessions })
    onRows(rows, sessions)
    identities.push(...ids)
  }
  for (const [i, ref] of written.entries()) {
    restore(firsts[i])
    const others = Array.from({ length: ref.chunks - 1 }, (_, chunk) => chunk + 1)
    for await (const chunk of readAhead(others, (number) => state.readChunk(ref, number))) restore(chunk)
  }
  fold.restore({ ...emptySegment(), ids: joinIds(identities) })
}

/** The chunks of segments in their order, but for those that are known already. */
export const readAll = async (
  state: Pick<StateStore, 'readChunk'>,
  manifest: readonly SegmentRef[],
  known: (ref: SegmentRef) => Segment | undefined,
): Promise<Segment[]> => {
  const parts = manifest.flatMap((ref): (() => Promise<Segment>)[] => {
    const segment = known(ref)
    if (segment) return [async () => segment]
    return Array.from({ length: ref.chunks }, (_, number) => () => state.readChunk(ref, number))
  })
  const segments: Segment[] = []
  for await (const segment of readAhead(parts, (read) => read())) segments.push(segment)
  return segments
}
