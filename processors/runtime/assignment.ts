import { compareText } from '#schema/text-order.ts'

/** A processor that is alive and does not stop. */
export interface Candidate {
  id: string
  /** Partitions that it cannot own: a newer version has written them. */
  declines: ReadonlySet<number>
}

interface Share {
  candidate: Candidate
  partitions: number[]
}

/** The first of those that have least and do not decline. */
const leastFor = (partition: number, shares: readonly Share[]): Share | undefined => {
  let least: Share | undefined
  for (const share of shares) {
    if (share.candidate.declines.has(partition)) continue
    if (!least || share.partitions.length < least.partitions.length) least = share
  }
  return least
}

/** Moves one partition from who has most to who has least, if that makes shares more even. */
const moveOne = (shares: readonly Share[]): boolean => {
  for (const from of shares.toSorted((a, b) => b.partitions.length - a.partitions.length)) {
    for (const partition of from.partitions.toSorted((a, b) => b - a)) {
      const to = leastFor(partition, shares)
      if (!to || from.partitions.length - to.partitions.length < 2) continue
      from.partitions.splice(from.partitions.indexOf(partition), 1)
      to.partitions.push(partition)
      return true
    }
  }
  return false
}

/**
 * Which candidate each partition should have, given who owns it now (one without an owner is not in `owners`). Everybody
 * who sees the same comes to the same result, so nobody has to lead. What has no owner goes to who has least; then one
 * partition after the other moves from who has most to who has least, while these are two or more apart. So shares
 * differ by one at most, nothing moves that need not, and a plan of which a part was carried out stays the plan: the aim
 * of cooperative sticky assignment (KIP-429 of Kafka). What all decline is nobody's.
 */
export const assign = (
  partitions: number,
  candidates: readonly Candidate[],
  owners: ReadonlyMap<number, string>,
): Map<number, string> => {
  const shares = candidates
    .toSorted((a, b) => compareText(a.id, b.id))
    .map((candidate): Share => ({ candidate, partitions: [] }))
  const free: number[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const owner = owners.get(partition)
    const share = shares.find(({ candidate }) => candidate.id === owner && !candidate.declines.has(partition))
    if (share) share.partitions.push(partition)
    else free.push(partition)
  }
  for (const partition of free) leastFor(partition, shares)?.partitions.push(partition)
  while (moveOne(shares));
  return new Map(
    shares.flatMap(({ candidate, partitions: its }) => its.map((partition) => [partition, candidate.id] as const)),
  )
}
