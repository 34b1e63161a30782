import type { DocumentNode, GraphQLSchema } from 'graphql'
import { createDocumentCache } from '../document-cache.ts'
import type { OperationRequest } from '../operation-request.ts'
import { createMetricPlanner, type MetricPlan } from './plan.ts'

/** Dashboards ask in few words. A plan holds on to what was parsed of its document, which may take as much again. */
const MAX_CHARS = 100_000

/** Plans by the text of their documents, which then need not be parsed and validated again. */
export const createMetricPlans = (schema: GraphQLSchema) => {
  const makePlan = createMetricPlanner(schema)
  const plans = createDocumentCache<{ plan: MetricPlan | null }>(MAX_CHARS)
  return {
    /** The plan of a document that was valid before; null when there is none, or when it is not the operation asked for. */
    find({ query, operationName }: OperationRequest): MetricPlan | null {
      const known = plans.get(query)?.plan
      if (!known) return null
      const isAsked = operationName === undefined || operationName === null || operationName === known.operationName
      return isAsked ? known : null
    },
    /** The plan of a document that is valid, for this request and those to come; null when it has none. */
    learn({ query }: OperationRequest, document: DocumentNode): MetricPlan | null {
      const { plan } = plans.get(query) ?? { plan: makePlan(document) }
      plans.set(query, { plan })
      return plan
    },
  }
}

export type MetricPlans = ReturnType<typeof createMetricPlans>
