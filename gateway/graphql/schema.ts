import type { GraphQLSchema } from 'graphql'
import { createBuilder } from './builder.ts'
import { addConditions } from './conditions.ts'
import { addCorrections } from './corrections.ts'
import { addDeadLetters } from './dead-letters.ts'
import { addEventStatus } from './event-status.ts'
import { addEvents } from './events.ts'
import { addIngest } from './ingest.ts'
import { addKeys } from './keys.ts'
import { addLedger } from './ledger.ts'
import { addMetrics } from './metrics.ts'
import { addPipeline } from './pipeline.ts'
import { addQueryMetric } from './query-metric.ts'
import { addScalars } from './scalars.ts'
import { addTenant } from './tenant.ts'

/** The public schema, as far as it is implemented. Resolvers find what they need in the GraphqlContext. */
export const createSchema = (): GraphQLSchema => {
  const builder = createBuilder()
  builder.queryType({})
  builder.mutationType({})
  builder.subscriptionType({})
  addScalars(builder)
  const conditions = addConditions(builder)
  addIngest(builder)
  const window = addMetrics(builder, conditions)
  addQueryMetric(builder, conditions, window)
  addEvents(builder, conditions)
  addDeadLetters(builder)
  addCorrections(builder)
  addTenant(builder)
  addKeys(builder)
  addPipeline(builder)
  addLedger(builder)
  addEventStatus(builder)
  return builder.toSchema()
}
