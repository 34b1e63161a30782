/** By partition: the last checkpoint that is in (0: none). Never changed once made. */
export type Positions = readonly number[]

/** Whether anything in `changed` came after `since`. */
export const isAfter = (changed: Positions, since: Positions): boolean => {
  for (let p = 0; p < changed.length; p++) if (changed[p] > since[p]) return true
  return false
}

/** Whether `have` holds all that `need` asks for. */
export const covers = (have: Positions, need: Positions): boolean => {
  for (let p = 0; p < need.length; p++) if (need[p] > (have[p] ?? 0)) return false
  return true
}

export const noPositions = (partitions: number): number[] => new Array<number>(partitions).fill(0)

/** Raises `into` to `from`, partition by partition. */
export const raise = (into: number[], from: Positions): void => {
  for (let p = 0; p < into.length; p++) if (from[p] > into[p]) into[p] = from[p]
}
