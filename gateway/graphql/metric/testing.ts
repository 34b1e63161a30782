import fc from 'fast-check'
import type { RangeResult } from '#gateway/live/metric-reader.ts'
import type { Point } from '#gateway/live/points.ts'

const RESULT = ['watermark', 'asOf', 'truncated', '__typename', '__proto__: __typename']
const POINT = 'windowStart windowEnd dimensions value detail events status revision sampled capped __typename'.split(
  ' ',
)

/** Selections of an object: its fields, some under another name, some twice, some in fragments. */
const selectionsOf = (type: string, fields: string[], fragments: string[], nested?: fc.Arbitrary<string>) => {
  const leaf = fc
    .tuple(fc.constantFrom(...fields), fc.boolean())
    .map(([name, own]) => (own && !name.includes(':') ? `x_${name}: ${name}` : name))
  const named = fragments.length > 0 ? [fc.constantFrom(...fragments).map((name) => `...${name}`)] : []
  const objects = nested ? [nested] : []
  const { all } = fc.letrec<{ one: string; all: string }>((tie) => ({
    one: fc.oneof(
      { maxDepth: 2, withCrossShrink: true },
      leaf,
      leaf,
      ...objects,
      ...named,
      tie('all').map((inner) => `... on ${type} ${inner}`),
      tie('all').map((inner) => `... ${inner}`),
    ),
    all: fc.array(tie('one'), { minLength: 1, maxLength: 5 }).map((some) => `{ ${some.join(' ')} }`),
  }))
  return all
}

const fragment = (name: string, type: string, selections: fc.Arbitrary<string>) =>
  selections.map((text) => ({ name, text: `fragment ${name} on ${type} ${text}` }))

/** Of what is selected, the fragments that it reaches: a document defines no others. */
const withFragments = (selected: string, fragments: readonly { name: string; text: string }[]): string => {
  let document = selected
  for (const { name, text } of fragments) if (document.includes(`...${name} `)) document += ` ${text}`
  return document
}

const pointsOf = (fragments: string[]) => selectionsOf('MetricPoint', POINT, fragments).map((text) => `points ${text}`)

/** Mostly the usual, and now and then something else. */
const mostly = <T>(weight: number, usual: fc.Arbitrary<T>, ...odd: unknown[]): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: fc.constantFrom(...(odd as T[])) })

/** What may be said of arguments, in the document or by a variable. */
const ARGUMENTS: Record<string, { type: string; values: fc.Arbitrary<unknown> }> = {
  name: { type: 'String!', values: mostly(12, fc.constant('views'), 'nothing', 7) },
  from: { type: 'DateTime!', values: mostly(12, fc.constant('2026-01-01T00:00:00Z'), 'yesterday', 1, null) },
  to: { type: 'DateTime!', values: fc.constantFrom('2026-01-02T00:00:00Z', '2025-01-02T00:00:00Z') },
  by: { type: '[String!]', values: mostly(12, fc.constantFrom(['country'], [], 'country', null), [null], [1]) },
  limit: { type: 'Int', values: mostly(12, fc.constantFrom(5, 1, null), 'x', 2 ** 40) },
}

const argumentOf = (name: string) =>
  fc.record({
    name: fc.constant(name),
    value: ARGUMENTS[name].values,
    usual: ARGUMENTS[name].values,
    how: mostly(12, fc.constantFrom('literal', 'variable'), 'left out', 'default'),
  })

interface Argument {
  name: string
  value: unknown
  usual: unknown
  how: string
}

const definitionOf = ({ name, usual, how }: Argument): string => {
  const { type } = ARGUMENTS[name]
  if (how === 'literal') return ''
  return how === 'default' ? `$${name}: ${type} = ${JSON.stringify(usual)} ` : `$${name}: ${type} `
}

const queryOf = (args: Argument[], selections: string[], fragments: { name: string; text: string }[]) => {
  const given = args.map(({ name, value, how }) => `${name}: ${how === 'literal' ? JSON.stringify(value) : `$${name}`}`)
  const definitions = args.map(definitionOf).join('')
  const metric = (text: string, i: number) =>
    `${i < 2 ? '' : 'second: '}metric(window: {tumbling: "PT60S"}, ${given.join(', ')}) ${text}`
  const query = `query${definitions === '' ? '' : `(${definitions})`} { ${selections.map(metric).join(' ')} }`
  const sent = args.filter(({ how }) => how === 'variable').map(({ name, value }) => [name, value])
  return { query: withFragments(query, fragments), variables: Object.fromEntries(sent) as Record<string, unknown> }
}

/** Requests for metrics: selections at random, arguments that are mostly right. */
export const metricRequests = fc
  .tuple(
    fc.tuple(...Object.keys(ARGUMENTS).map(argumentOf)),
    fc.array(selectionsOf('MetricResult', RESULT, ['R'], pointsOf(['P', 'Q'])), { minLength: 1, maxLength: 3 }),
    fragment('R', 'MetricResult', selectionsOf('MetricResult', RESULT, [], pointsOf(['P', 'Q']))),
    fragment('P', 'MetricPoint', selectionsOf('MetricPoint', POINT, ['Q'])),
    fragment('Q', 'MetricPoint', selectionsOf('MetricPoint', POINT, [])),
  )
  .map(([args, selections, ...fragments]) => queryOf(args, selections, fragments))

const time = fc.integer({ min: 0, max: 4e12 })
const text = fc.string({ unit: 'binary' })
const points = fc.record<Point>({
  windowStart: mostly(100, time, null, Number.NaN),
  windowEnd: time,
  dimensions: mostly(100, fc.array(fc.option(text)), null, 'x', [undefined]),
  value: mostly(100, fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })), Number.NaN, 'x', new Error('odd')),
  detail: mostly(100, fc.jsonValue() as fc.Arbitrary<Point['detail']>, undefined, () => 1, Promise.resolve(1)),
  events: mostly(100, time, '"', Number.NaN),
  status: mostly(100, fc.constantFrom('PROVISIONAL', 'COMPLETE', 'CORRECTED', 'FINAL', 'RETRACTED'), 'NEW', null),
  revision: mostly(100, fc.nat(), 2 ** 31, 0.5),
  sampled: fc.double({ min: 0, max: 1, noNaN: true }),
  capped: mostly(100, fc.boolean(), undefined, 'x'),
})

/** What a reader may answer, and what it must not. */
export const rangeResults = fc.record<RangeResult>({
  points: mostly(100, fc.array(points, { maxLength: 4 }), null, [null]),
  watermark: fc.option(time),
  asOf: time,
  truncated: fc.boolean(),
  moment: fc.constant(null),
})
