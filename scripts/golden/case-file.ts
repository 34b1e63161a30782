import { z } from 'zod'

const text = z.string().min(1)

/** A metric as cases write it; see parseMetric. */
const metric = z.strictObject({
  event: text.default('*'),
  /** `["properties.status", "GE", 400]` */
  where: z.array(z.tuple([text, text, z.unknown()])).default([]),
  /** `count`, `sum of properties.amount`, `topk 3 of name` */
  measure: text.default('count'),
  by: z.array(text).default([]),
  /** `1m`, `1h every 1m`, `session 30m` */
  windows: z.array(text),
  sessionGap: text.optional(),
  version: z.int().default(1),
})

/** Why the step is there, for whoever reads the case. */
const note = { note: text.optional() }
const tenant = text.default('main')

const show = z.strictObject({
  ...note,
  /** Metric and window: `views 1m`. */
  show: text,
  tenant,
  by: z.array(text).optional(),
  where: z.array(z.tuple([text, text, z.unknown()])).optional(),
  /** Points in order, as renderPoint writes them. */
  is: z.array(text),
  /** Holds only with so many partitions: watermarks are theirs. */
  partitions: z.union([z.literal(1), z.literal(8)]).optional(),
})

const step = z.union([
  /** A frame: received, and stored by the broker, at this time. */
  z.strictObject({ ...note, at: text, events: z.array(text).min(1) }),
  /** A frame of lines as they are, in partition 0. */
  z.strictObject({ ...note, at: text, lines: z.array(text).min(1) }),
  /** A tick for the clocks of a source, or only for that of the partition of a key. */
  z.strictObject({ ...note, at: text, tick: text, tenant, source: text.default('live'), key: text.optional() }),
  z.strictObject({ ...note, define: z.record(text, metric), tenant }),
  z.strictObject({ ...note, delete: text, version: z.int(), tenant }),
  z.strictObject({
    ...note,
    /** Without a version they are newer than all before. */
    settings: z.strictObject({ horizon: text, outOfOrderness: text, version: z.int().optional() }),
    tenant,
  }),
  show,
  /** All dead letters so far, in order of arrival, as renderLate writes them. */
  z.strictObject({ ...note, late: z.array(text) }),
  /** What the tenant's windows are complete up to; null before its first event. */
  z.strictObject({ ...note, watermark: text.nullable(), tenant, partitions: show.shape.partitions }),
])

/** A case: a log in order of arrival, and what it must give at which moments. */
const goldenCase = z.strictObject({
  /** The rule, as a sentence. */
  says: text,
  /** Tests of others that cover the same. */
  like: z.array(text).default([]),
  /** Where Flink gives something else: what, and why. */
  flink: z.strictObject({ gives: text, because: text }).optional(),
  /** Each key gets a partition of its own, in order of appearance; else all share one. */
  spread: z.boolean().default(false),
  metrics: z.record(text, metric).default({}),
  steps: z.array(step).min(1),
})

export type CaseStep = z.infer<typeof step>
export type CaseMetric = z.infer<typeof metric>

export interface GoldenCase extends z.infer<typeof goldenCase> {
  /** `lateness/at-the-horizon`: its file. */
  name: string
}

/** Reads a case's file; throws with the place of what is not understood. */
export const readCase = (name: string, json: string): GoldenCase => {
  const parsed = goldenCase.safeParse(JSON.parse(json))
  if (!parsed.success) throw new Error(`case ${name}: ${z.prettifyError(parsed.error)}`)
  return { name, ...parsed.data }
}
