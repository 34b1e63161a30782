import { REGISTERS, SIGMA_STEPS } from '#schema/measures/hyperloglog.ts'
import { EXPONENT_BEFORE, GAMMA } from '#schema/measures/quantiles.ts'

/**
 * What schema/measures does with states, in SQL: so that whoever reads the tables gets the numbers that GraphQL answers.
 * The file says how; a test holds both against each other.
 */
const macro = (signature: string, sql: string): string => `CREATE OR REPLACE MACRO ${signature} AS ${sql}`

/** What a + b loses: TwoSum, as addExact has it. */
const LOST = macro('lost_by_adding(a, b)', '(a - ((a + b) - ((a + b) - a))) + (b - ((a + b) - a))')
/** {sum, comp} of a list of such. */
const EXACT_SUM = macro(
  'exact_sum(sums)',
  `list_reduce(sums, lambda a, b : {
    'sum': a.sum + b.sum, 'comp': a.comp + lost_by_adding(a.sum, b.sum) + b.comp
  })`,
)

/**
 * What lists of changes add up to; an entry a bucket, a value, a register. They ask about each row by itself, which no
 * condition gets past: for rows that are wanted anyway.
 */
const ADDED_BUCKETS = macro(
  'added_buckets(buckets)',
  `(SELECT list({'bucket': bucket, 'weight': weight} ORDER BY bucket) FROM (
    SELECT one.bucket AS bucket, sum(one.weight) AS weight FROM (SELECT unnest(buckets) AS one)
    GROUP BY one.bucket HAVING sum(one.weight) <> 0))`,
)
const ADDED_ITEMS = macro(
  'added_items(items)',
  `(SELECT list({'value': item, 'count': weight} ORDER BY item) FROM (
    SELECT one.value AS item, sum(one.count) AS weight FROM (SELECT unnest(items) AS one)
    GROUP BY one.value HAVING sum(one.count) <> 0))`,
)
const HIGHEST_REGISTERS = macro(
  'highest_registers(registers)',
  `(SELECT list(one ORDER BY one) FROM (
    SELECT max(one) AS one FROM (SELECT unnest(registers) AS one) GROUP BY one // 64))`,
)

/** Decimals to 15 digits, half up as JavaScript has it (printf knows half even only); integers as they are. */
const STABLE = macro(
  'stable(x)',
  `CASE WHEN x = trunc(x) THEN x ELSE list_transform([string_split(printf('%.30e', x), 'e')], lambda parts :
    (round(parts[1]::DECIMAL(32, 30), 14)::VARCHAR || 'e' || parts[2])::DOUBLE)[1] END`,
)

const BUCKET_VALUE = macro(
  'bucket_value(bucket)',
  `CASE WHEN bucket = 0 THEN 0::DOUBLE ELSE sign(bucket) * printf('%.5e',
    2 * pow(${GAMMA}::DOUBLE, abs(bucket) + (${EXPONENT_BEFORE})) / ${GAMMA + 1}::DOUBLE)::DOUBLE END`,
)
const REST = '549755813887'
/** Of a member, as packedRank has it. */
const PACKED_RANK = macro(
  'packed_rank(member)',
  `((member >> 39) * 64 + 40 - CASE WHEN member & ${REST} = 0 THEN 0 ELSE length(bin(member & ${REST})) END)::INTEGER`,
)
const SIGMA = macro(
  'hll_sigma(fraction)',
  `list_reduce(
    list_transform(range(${SIGMA_STEPS + 1}), lambda step : {'x': fraction, 'y': 1::DOUBLE, 'sum': fraction}),
    lambda a, step : {'x': a.x * a.x, 'y': a.y * 2, 'sum': a.sum + a.x * a.x * a.y}).sum`,
)
/** Of how many registers are set, and the sum of 2^-rank over them. */
const ESTIMATE = macro(
  'hll_estimate(registers, sum)',
  `round(${REGISTERS ** 2 / (2 * Math.LN2)}::DOUBLE
    / (sum + ${REGISTERS} * hll_sigma((${REGISTERS} - registers) / ${REGISTERS}::DOUBLE)))`,
)

/** In the order in which they use each other. */
export const MEASURE_MACROS: readonly string[] = [
  LOST,
  EXACT_SUM,
  ADDED_BUCKETS,
  ADDED_ITEMS,
  HIGHEST_REGISTERS,
  STABLE,
  BUCKET_VALUE,
  PACKED_RANK,
  SIGMA,
  ESTIMATE,
]
