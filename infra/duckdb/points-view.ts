import { QUANTILES } from '#schema/measures/quantiles.ts'
import { EXACT_MEMBERS } from '#schema/measures/uniques.ts'
import { DEFAULT_K, type MeasureKind } from '#schema/metric.ts'

/** What the points of a view are made of. */
export interface PointSource {
  /** Columns that tell series apart, tenant, metric and version among them. */
  key: string
  /** Of them, what the view shows. */
  shown: string
  /** SELECT of one row per key with events, corrections, revision and a measure's state; `wanted` follows its table. */
  rows(wanted: string): string
}

/** Rows of metrics that are defined now, and measure one of these. */
const of = (...kinds: MeasureKind[]): string => `SEMI JOIN (
  SELECT tenant, metric, version FROM metrics
  WHERE NOT deleted AND measure IN (${kinds.map((kind) => `'${kind}'`).join(', ')})) USING (tenant, metric, version)`

const COMMON = ['events', 'corrections', 'revision', 'n', 'shed']
/** Columns that are the same in all rows of a group. */
const same = (...columns: string[]): string =>
  [...COMMON, ...columns].map((column) => `any_value("${column}") AS "${column}"`).join(', ')

/** Rows times the entries of a list; a row without any stays, with `one` NULL. */
const unnested = (rows: string, list: string): string =>
  `(SELECT *, unnest(CASE WHEN len(${list}) > 0 THEN ${list} ELSE [NULL] END) AS one FROM (${rows}))`

const plain = ({ rows }: PointSource): string => `
SELECT *, NULL::JSON AS detail, CASE
    WHEN measure = 'COUNT' THEN n
    WHEN n = 0 THEN NULL
    WHEN measure = 'SUM' THEN stable("sum" + comp)
    WHEN measure = 'AVG' THEN stable(("sum" + comp) / n)
    WHEN measure = 'MIN' THEN "min"
    ELSE "max"
  END AS value
FROM (${rows(of('COUNT', 'SUM', 'AVG', 'MIN', 'MAX'))}) JOIN metrics USING (tenant, metric, version)`

const uniques = ({ key, rows }: PointSource): string => {
  const counted = `SELECT *, CASE WHEN registers IS NULL AND coalesce(len(members), 0) <= ${EXACT_MEMBERS}
      THEN coalesce(len(members), 0)::DOUBLE END AS exact,
    CASE WHEN exact IS NULL
      THEN list_concat(registers, list_transform(members, lambda member : packed_rank(member))) END AS packed
    FROM (${rows(of('UNIQUES'))})`
  return `
SELECT ${key}, ${same('exact')}, NULL::JSON AS detail,
  coalesce(any_value(exact), hll_estimate(count(rank), sum(pow(2::DOUBLE, -rank)))) AS value
FROM (SELECT ${key}, ${same('exact')}, max(one) % 64 AS rank FROM ${unnested(counted, 'packed')} GROUP BY ${key}, one // 64)
GROUP BY ${key}`
}

const quantiles = ({ key, rows }: PointSource): string => {
  const answers = Object.entries(QUANTILES).map(([name, quantile]) => {
    const bucket = `min(bucket) FILTER (weight <> 0 AND below > ${quantile}::DOUBLE * (total - 1))`
    return `'${name}', least(any_value("max"), greatest(any_value("min"), bucket_value(${bucket})))`
  })
  return `
SELECT ${key}, ${same()}, CASE WHEN any_value(total) <> 0 THEN json_object(${answers.join(', ')}) END AS detail,
  NULL::DOUBLE AS value
FROM (
  SELECT *, sum(weight) OVER (PARTITION BY ${key} ORDER BY bucket) AS below, sum(weight) OVER (PARTITION BY ${key}) AS total
  FROM (
    SELECT ${key}, ${same('min', 'max')}, one.bucket AS bucket, sum(one.weight) AS weight
    FROM ${unnested(rows(of('QUANTILES')), 'buckets')} GROUP BY ${key}, one.bucket))
GROUP BY ${key}`
}

const topK = ({ key, rows }: PointSource): string => `
SELECT *, coalesce(to_json(heaviest[1:coalesce((definition->'measure'->>'k')::BIGINT, ${DEFAULT_K})]), '[]'::JSON) AS detail,
  NULL::DOUBLE AS value
FROM (
  SELECT ${key}, ${same()}, list({'value': item, 'count': weight, 'error': error} ORDER BY weight DESC, item)
      FILTER (weight > 0) AS heaviest
  FROM (
    SELECT ${key}, ${same('error')}, one.value AS item, sum(one.count) AS weight
    FROM ${unnested(rows(of('TOPK')), 'items')} GROUP BY ${key}, one.value)
  GROUP BY ${key}) JOIN metrics USING (tenant, metric, version)`

/**
 * A view of points with what schema/measures.ts says of their states. A branch for each form of state, so that none pays
 * for another's; all of them are groups by the key, so that conditions on it reach the table.
 */
export const pointsView = (view: string, source: PointSource): string => `
CREATE OR REPLACE VIEW ${view} AS
${[plain, uniques, quantiles, topK]
  .map(
    (branch) => `SELECT ${source.shown}, events, value, detail,
  CASE WHEN n > 0 THEN least(1, (n - shed) / n) ELSE 1 END AS sampled, corrections, revision
FROM (${branch(source)})`,
  )
  .join('\nUNION ALL\n')}`
