import { memberHash } from '#schema/hash.ts'
import type { MeasureJson } from '#schema/measures.ts'
import { exactParts } from './exact-parts.ts'
import { encodeHll } from './sketches/hll.ts'
import { encodeQuantiles } from './sketches/quantiles.ts'

/** A measure's state as columns: what is empty is absent. See rows.ts for their meaning. */
export interface MeasureFields {
  count?: number
  shed?: number
  sum?: number
  sum_high?: number
  sum_low?: number
  sum_part?: number
  min?: number
  max?: number
  sketch?: 1
  uniques?: string
  quantiles?: string
  quantiles_taken?: string
  error?: number
}

type Buckets = NonNullable<MeasureJson['buckets']>

/** Between 0 and 1, as good as random and always the same for the same text. */
const chanceOf = (text: string): number => memberHash(text) / 2 ** 53

const taken = (buckets: Buckets): Buckets =>
  buckets.filter(([, weight]) => weight < 0).map(([bucket, weight]) => [bucket, -weight])

const sumFields = (sum = 0, comp = 0): Pick<MeasureFields, 'sum' | 'sum_high' | 'sum_low' | 'sum_part'> => {
  if (sum === 0 && comp === 0) return {}
  const { high, low, part } = exactParts({ sum, comp })
  return { sum: sum + comp, sum_high: high || undefined, sum_low: low || undefined, sum_part: part || undefined }
}

/** `place` names the row: what must be rounded is rounded by it. Fields that are undefined are left out by JSON. */
export const measureFields = (state: MeasureJson, place: string): MeasureFields => {
  const { n, shed, sum, comp, min, max, members, registers, buckets, error } = state
  return {
    count: n,
    shed,
    ...sumFields(sum, comp),
    min,
    max,
    sketch: members || registers || buckets ? 1 : undefined,
    uniques: members || registers ? encodeHll({ members, registers }) : undefined,
    quantiles:
      buckets &&
      encodeQuantiles(
        buckets.filter(([, weight]) => weight > 0),
        chanceOf(place),
      ),
    quantiles_taken: buckets && encodeQuantiles(taken(buckets), chanceOf(place)),
    error,
  }
}
