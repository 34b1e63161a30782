import { GraphQLError, OperationTypeNode } from 'graphql'
import { mayDo } from '#gateway/auth.ts'
import type { PlainEvents } from '#gateway/collect/plain/events.ts'
import { LIVE_SOURCE } from '#schema/event.ts'
import type { KeyRecord } from '#schema/keys.ts'
import type { GraphqlContext, GraphqlServices, RequestOrigin } from '../context.ts'
import { createDocumentCache } from '../document-cache.ts'
import type { ErrorMask } from '../errors.ts'
import type { Operation, Outcome } from '../operation.ts'
import { validDocument } from '../valid-document.ts'
import type { GraphqlServer } from '../yoga.ts'
import { readTrackEnvelope, type TrackEnvelope } from './envelope.ts'
import { planOf, type TrackPlan } from './plan.ts'

interface TrackOptions {
  server: GraphqlServer
  services: Pick<GraphqlServices, 'collector'>
  mask: ErrorMask
}

const areAllPlain = (events: PlainEvents): boolean => {
  for (let index = 0; index < events.length; index++) if (!events.isPlain(index)) return false
  return true
}

/** The source of the events; null where the variable has to say one and does not. */
const sourceOf = ({ plan, others }: TrackEnvelope<TrackPlan>): string | null => {
  if (plan.sourceVariable === null) return plan.source ?? LIVE_SOURCE
  return others.get(plan.sourceVariable) ?? (plan.sourceRequired ? null : LIVE_SOURCE)
}

/**
 * Carries out mutations that send the events of one variable, all of them plain ones, from the bytes of the request to the
 * frames: no value is made of an event. Such events are what both `JSON` and `[EventInput!]!` take as they are, so there
 * is nothing to coerce. Whatever is odd about a request leaves it to the usual way before anything is done.
 */
export const createTrackOperations = ({ server, services, mask }: TrackOptions) => {
  const plans = createDocumentCache<{ plan: TrackPlan | null }>()

  const makePlan = (queryText: string): TrackPlan | null => {
    const query = JSON.parse(`"${Buffer.from(queryText, 'latin1').toString('utf8')}"`) as string
    const valid = validDocument(server.getEnveloped({} as GraphqlContext), { query })
    return valid && planOf(valid.document)
  }
  const knownPlan = (queryText: string): TrackPlan | null => {
    const known = plans.get(queryText)
    if (known) return known.plan
    let plan: TrackPlan | null = null
    try {
      plan = makePlan(queryText)
    } catch {
      // The text is no JSON string: the usual way says so.
    }
    plans.set(queryText, { plan })
    return plan
  }

  /** `body`: UTF-8. Null when the request is not one for it, and nothing was done. */
  return (body: Buffer, key: KeyRecord, origin: RequestOrigin): Operation | null => {
    if (!mayDo(key, 'WRITE')) return null
    const envelope = readTrackEnvelope(body, knownPlan)
    if (envelope === null) return null
    const { plan, events, operationName, variable } = envelope
    const source = sourceOf(envelope)
    if (variable !== plan.variable || source === null || !areAllPlain(events)) return null
    if (operationName !== null && operationName !== plan.operationName) return null
    const { field, responseKey } = plan
    return {
      type: OperationTypeNode.MUTATION,
      name: plan.operationName,
      async run(): Promise<Outcome> {
        try {
          const sent = { tenant: key.tenant, key, bytes: body.length, source, events, ...origin }
          return plan.answer(await services.collector.collect(sent))
        } catch (error) {
          const originalError = error instanceof Error ? error : new Error(String(error))
          const located = new GraphQLError(originalError.message, {
            nodes: [field],
            path: [responseKey],
            originalError,
          })
          return { errors: [mask(located)], data: null }
        }
      },
    }
  }
}
