import type { OlapService, Positions } from '#schema/olap.ts'

const LOOK_MS = 1_000

interface FollowOptions {
  olap: Pick<OlapService, 'positions'>
  partitions: number
  /** How far the books are. */
  written: () => readonly number[]
  /** Told when Druid has got further. */
  onPositions: (positions: readonly number[]) => void
}

/** Asks Druid how far it is: once a second, and when there is reason to think that it has got further. */
export const followPositions = ({ olap, partitions, written, onPositions }: FollowOptions) => {
  let known: Positions = Array.from({ length: partitions }, () => 0)
  let problem: string | null = null
  let underWay: Promise<void> | null = null
  const ask = async (): Promise<void> => {
    try {
      const found = await olap.positions()
      const hasMoved = found.some((checkpoint, p) => checkpoint !== known[p])
      known = found
      problem = null
      if (hasMoved) onPositions(positions())
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
    }
  }
  const look = (): void => {
    underWay ??= ask().finally(() => {
      underWay = null
    })
  }
  const positions = (): Positions => {
    const inBooks = written()
    return known.map((checkpoint, p) => Math.min(checkpoint, inBooks[p]))
  }
  const timer = setInterval(look, LOOK_MS)
  return {
    look,
    positions,
    problems: () => (problem === null ? [] : [problem]),
    async stop() {
      clearInterval(timer)
      await underWay
    },
  }
}
