/** Middle, lowest and highest of several rounds. */
export interface Spread {
  median: number
  low: number
  high: number
}

const digits = (value: number): number => Math.round(value * 1_000) / 1_000

export const spreadOf = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, median, high] = [0, sorted.length >> 1, sorted.length - 1].map((i) => digits(sorted[i]))
  return { median, low, high }
}

/** Cost of each stage from runs of which each does one stage more than the run before; microseconds per event. */
export const costOfStages = <S extends string>(runs: readonly [S, readonly number[]][]): Record<S, number> => {
  let before = 0
  const costs = runs.map(([stage, values]) => {
    const { median } = spreadOf(values)
    const cost = digits(median - before)
    before = median
    return [stage, cost] as const
  })
  return Object.fromEntries(costs) as Record<S, number>
}

/** Events that a second of processor time is enough for; 0 where what they took was too little to be measured. */
export const perSecond = (usPerEvent: number): number => (usPerEvent > 0 ? Math.round(1e6 / usPerEvent) : 0)
