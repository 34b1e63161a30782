import type { ServerResponse } from 'node:http'
import { GraphQLError } from 'graphql'
import { mayDo } from '#gateway/auth.ts'
import type { PlainEvents } from '#gateway/collect/plain/events.ts'
import { LIVE_SOURCE } from '#schema/event.ts'
import type { KeyRecord } from '#schema/keys.ts'
import type { GraphqlContext, GraphqlServices, RequestOrigin } from '../context.ts'
import { createDocumentCache } from '../document-cache.ts'
import type { ErrorMask } from '../errors.ts'
import { type AnswerForm, sendResult, sendText } from '../send-result.ts'
import { validDocument } from '../valid-document.ts'
import type { GraphqlServer } from '../yoga.ts'
import { readTrackEnvelope, type TrackEnvelope } from './envelope.ts'
import { planOf, type TrackPlan } from './plan.ts'

interface TrackTransportOptions {
  server: GraphqlServer
  services: Pick<GraphqlServices, 'collector'>
  mask: ErrorMask
}

/** A request that sends events and nothing else. */
interface TrackRequest {
  body: Buffer
  key: KeyRecord
  origin: () => RequestOrigin
  form: AnswerForm
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
 * Answers mutations that send the events of one variable, all of them plain ones, from the bytes of the request to the
 * frames: no value is made of an event. Such events are what both `JSON` and `[EventInput!]!` take as they are, so there
 * is nothing to coerce. Whatever is odd about a request leaves it to the usual way before anything is done.
 */
export const createTrackTransport = ({ server, services, mask }: TrackTransportOptions) => {
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

  /** Answers false when the request is not one for it, and nothing was done. */
  return async (response: ServerResponse, { body, key, origin, form }: TrackRequest): Promise<boolean> => {
    if (!mayDo(key, 'WRITE')) return false
    const envelope = readTrackEnvelope(body, knownPlan)
    if (envelope === null) return false
    const { plan, events, operationName, variable } = envelope
    const source = sourceOf(envelope)
    if (variable !== plan.variable || source === null || !areAllPlain(events)) return false
    if (operationName !== null && operationName !== plan.operationName) return false
    const { field, responseKey } = plan
    try {
      const sent = { tenant: key.tenant, key, bytes: body.length, source, events, ...origin() }
      const receipt = await services.collector.collect(sent)
      sendText(response, plan.answer(receipt), form)
    } catch (error) {
      const originalError = error instanceof Error ? error : new Error(String(error))
      const located = new GraphQLError(originalError.message, { nodes: [field], path: [responseKey], originalError })
      await sendResult(server, response, { errors: [mask(located)], data: null }, form)
    }
    return true
  }
}
