import type { GraphQLResolveInfo } from 'graphql'
import type { EventProblem, EventVerdict, Receipt } from '#gateway/collect/verdict.ts'
import { MillraceError } from '#schema/errors.ts'
import { LIVE_SOURCE } from '#schema/event.ts'
import type { Builder } from './builder.ts'
import type { GraphqlContext } from './context.ts'
import { claimedProblems } from './ingest-problems.ts'
import { need } from './rights.ts'

const collect = (
  context: GraphqlContext,
  info: GraphQLResolveInfo,
  source: string | null | undefined,
  events: readonly unknown[],
): Promise<Receipt> => {
  const key = need(context, 'WRITE')
  const problems: ReadonlyMap<number, EventProblem> = claimedProblems(info, context.problems)
  const { services, bytes, origin } = context
  return services.collector.collect({
    tenant: key.tenant,
    key,
    bytes,
    source: source ?? LIVE_SOURCE,
    events,
    problems,
    ...origin,
  })
}

/** An optional field that is null is one that is not there. */
const withoutNulls = (event: object): object =>
  Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null && value !== undefined))

const addReceipt = (builder: Builder) => {
  const status = builder.enumType('VerdictStatus', { values: ['ACCEPTED', 'SHED', 'REJECTED'] as const })
  const verdict = builder.objectRef<EventVerdict>('EventVerdict').implement({
    fields: (t) => ({
      index: t.exposeInt('index'),
      id: t.exposeID('id'),
      status: t.expose('status', { type: status }),
      code: t.exposeString('code', { nullable: true }),
      message: t.exposeString('message', { nullable: true }),
      path: t.exposeString('path', { nullable: true }),
      retryable: t.exposeBoolean('retryable'),
      retryAfterMs: t.exposeInt('retryAfterMs', { nullable: true }),
    }),
  })
  return builder.objectRef<Receipt>('IngestReceipt').implement({
    fields: (t) => ({
      accepted: t.exposeInt('accepted'),
      shed: t.exposeInt('shed'),
      rejected: t.exposeInt('rejected'),
      verdicts: t.field({
        type: [verdict],
        description: 'Of the events that were not accepted; all of them with all: true. In the order sent.',
        args: { all: t.arg.boolean({ defaultValue: false }) },
        resolve: (receipt, { all }) => [...(all ? receipt.verdicts : receipt.refused)],
      }),
    }),
  })
}

const addEventInput = (builder: Builder) =>
  builder.inputType('EventInput', {
    fields: (t) => ({
      id: t.id({
        description: 'Chosen by the client, so that a retry counts once. UUIDv7 by default. 1-128 characters.',
      }),
      name: t.string({ required: true, description: 'Event name, as registered: [a-z][a-z0-9_]{0,63}.' }),
      time: t.field({
        type: 'DateTime',
        description:
          'When it happened: from 2000 to 24 h ahead. Default: the time in a UUIDv7 id, else when it was received.',
      }),
      sessionId: t.string({ description: "Default: the user, the anonymous id, or the event's own id." }),
      userId: t.string(),
      anonymousId: t.string(),
      properties: t.field({ type: 'JSON' }),
      context: t.field({ type: 'JSON', description: 'page, referrer, userAgent, locale, screen, campaign' }),
      schemaVersion: t.int(),
    }),
  })

export const addIngest = (builder: Builder): void => {
  const receipt = addReceipt(builder)
  const eventInput = addEventInput(builder)
  builder.mutationFields((t) => ({
    trackEvents: t.field({
      type: receipt,
      description: 'Typed ingest. Answers when every accepted event is on disk.',
      args: {
        events: t.arg({ type: [eventInput], required: true }),
        source: t.arg.string({ defaultValue: LIVE_SOURCE }),
      },
      resolve: (_, { events, source }, context, info) => collect(context, info, source, events.map(withoutNulls)),
    }),
    trackBatch: t.field({
      type: receipt,
      description: 'The same for a JSON array of events: several times cheaper for large batches.',
      args: {
        events: t.arg({ type: 'JSON', required: true }),
        source: t.arg.string({ defaultValue: LIVE_SOURCE }),
      },
      resolve: (_, { events, source }, context, info) => {
        if (Array.isArray(events)) return collect(context, info, source, events)
        throw new MillraceError('BAD_INPUT', `events must be a JSON array of events; got ${typeof events}`)
      },
    }),
  }))
}
