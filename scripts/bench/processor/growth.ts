import { spreadOf } from './figures.ts'
import { type FoldQuestion, foldInProcess } from './fold-process.ts'
import { mostlyIdleMetrics, SHOP_METRICS } from './metrics.ts'

/** Cost per event at the small and at the large end of something that grows. */
export interface Growth {
  from: number
  to: number
  usFrom: number
  usTo: number
  /** Goal: below 1.5. */
  factor: number
}

export const GROWTHS = ['series', 'partitions', 'metrics'] as const
type Kind = (typeof GROWTHS)[number]

/** Metrics of which the mix itself makes but some hundred series. */
const NARROW = SHOP_METRICS.filter(({ name }) => ['events', 'devices', 'conversions', 'failures'].includes(name))

const ENDS: Record<Kind, { from: number; to: number; at: (size: number) => Partial<FoldQuestion> }> = {
  series: { from: 1_000, to: 1_000_000, at: (preload) => ({ preload, metrics: NARROW }) },
  partitions: { from: 1, to: 16, at: (partitions) => ({ partitions }) },
  metrics: { from: 1, to: 50, at: (count) => ({ metrics: mostlyIdleMetrics(count) }) },
}

/** What one event costs at both ends, everything else the same; `series`: their large end. */
export const measureGrowth = async (
  kind: Kind,
  question: FoldQuestion,
  series: number,
  say: (line: string) => void,
): Promise<Growth> => {
  const { from, at } = ENDS[kind]
  const to = kind === 'series' ? series : ENDS[kind].to
  const costAt = async (size: number): Promise<number> => {
    const { stages } = await foldInProcess({ ...question, ...at(size), stages: ['checkpoint'] })
    const { median } = spreadOf(stages.checkpoint!)
    say(`${size.toLocaleString('en-US')} ${kind}: ${median} µs per event`)
    return median
  }
  const [usFrom, usTo] = [await costAt(from), await costAt(to)]
  return { from, to, usFrom, usTo, factor: Math.round((usTo / usFrom) * 100) / 100 }
}
