import fc from 'fast-check'
import { execute, type GraphQLSchema, parse, validate } from 'graphql'
import { describe, expect, test } from 'vitest'
import type { RangeResult } from '#gateway/live/metric-reader.ts'
import { MillraceError } from '#schema/errors.ts'
import type { GraphqlContext } from '../context.ts'
import { createSchema } from '../schema.ts'
import { key } from '../testing.ts'
import { createMetricPlans } from './known-plans.ts'
import { createMetricPlanner } from './plan.ts'
import { metricRequests, rangeResults } from './testing.ts'

const schema = createSchema()
const planOf = createMetricPlanner(schema)

/** A reader that always answers the same, and what it was asked. */
const contextOf = (result: RangeResult) => {
  const asked: unknown[] = []
  const range = async (tenant: string, request: { metric: string }) => {
    asked.push({ tenant, ...request })
    if (request.metric === 'nothing') throw new MillraceError('METRIC_UNKNOWN', 'there is no such metric')
    return result
  }
  return { asked, contextValue: { key: key('READ'), services: { reader: { range } } } as unknown as GraphqlContext }
}

const run = async (on: GraphQLSchema, document: ReturnType<typeof parse>, variables: object, answer: RangeResult) => {
  const { asked, contextValue } = contextOf(answer)
  const variableValues = variables as Record<string, unknown>
  const result = await execute({ schema: on, document, contextValue, variableValues })
  return { result, asked, contextValue }
}

test('a plan answers what graphql-js answers, or leaves it to it', async () => {
  const seen = { written: 0, failed: 0, left: 0 }
  await fc.assert(
    fc.asyncProperty(metricRequests, rangeResults, async ({ query, variables }, answer) => {
      const document = parse(query)
      fc.pre(validate(schema, document).length === 0)
      const plan = planOf(document)!
      const usual = await run(schema, document, variables, answer)
      const whole = await run(plan.schema, plan.document, variables, answer)
      expect(whole.asked).toEqual(usual.asked)
      if (whole.result.errors) {
        seen.failed++
        expect(JSON.stringify(whole.result)).toBe(JSON.stringify(usual.result))
        return
      }
      let text: string
      try {
        text = plan.write(whole.result.data!, whole.contextValue)
      } catch {
        // Whatever it cannot write it leaves, so that is never wrong. It must only be rare.
        seen.left++
        return
      }
      seen.written++
      expect(text).toBe(JSON.stringify(usual.result))
    }),
    { numRuns: 400 },
  )
  expect(seen.written).toBeGreaterThan(100)
  expect(seen.failed).toBeGreaterThan(30)
  expect(seen.left).toBeLessThan(seen.written / 2)
})

const ASKED =
  'metric(name: "views", window: {tumbling: "PT60S"}, from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z")'

describe('there is no plan for', () => {
  test.each([
    ['a field that a variable may leave out', `query($b: Boolean!) { ${ASKED} { asOf truncated @skip(if: $b) } }`],
    ['a metric that a variable may leave out', `query($b: Boolean!) { ${ASKED} @include(if: $b) { asOf } }`],
    [
      'a fragment that a variable may leave out',
      `query($b: Boolean!) { ${ASKED} { asOf ... @skip(if: $b) { asOf } } }`,
    ],
    ['a fragment of metrics', `{ ...f } fragment f on Query { ${ASKED} { asOf } }`],
    ['more than metrics', `{ ${ASKED} { asOf } metrics { name } }`],
    ['the name of the type', `{ ${ASKED} { asOf } __typename }`],
    ['several operations', `query A { ${ASKED} { asOf } } query B { ${ASKED} { asOf } }`],
    ['a mutation', 'mutation { deleteMetric(name: "views") }'],
    ['a subscription', 'subscription { metric(name: "views", window: {tumbling: "PT60S"}) { asOf } }'],
  ])('%s', (_, query) => {
    const document = parse(query)
    expect(validate(schema, document)).toEqual([])
    expect(planOf(document)).toBeNull()
  })
})

test('a plan is found by the text of its document, and by the name of its operation', () => {
  const plans = createMetricPlans(schema)
  const query = `query A { ${ASKED} { asOf } }`
  expect(plans.find({ query })).toBeNull()
  const plan = plans.learn({ query }, parse(query))
  expect(plan).not.toBeNull()
  for (const operationName of [undefined, null, 'A']) expect(plans.find({ query, operationName })).toBe(plan)
  for (const operationName of ['', 'B']) expect(plans.find({ query, operationName })).toBeNull()
  expect(plans.find({ query: `${query} ` })).toBeNull()
})
