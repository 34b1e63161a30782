import type { EventStatus } from '#gateway/status/event-status.ts'
import type { Builder } from './builder.ts'
import { askStore } from './paging.ts'
import { need } from './rights.ts'
import { readTime } from './scalars.ts'

const addType = (builder: Builder) => {
  const stage = builder.enumType('EventStage', {
    values: {
      ACCEPTED: { description: 'It is in the log.' },
      COUNTED: { description: 'It counts in its windows.' },
      STORED: { description: 'It is a row of raw_events.' },
      LATE: { description: 'A dead letter: it came too late to count.' },
      INVALID: { description: 'A dead letter: it cannot be read, folded or stored.' },
    } as const,
  })
  return builder.objectRef<EventStatus>('EventStatus').implement({
    description: 'stage: the furthest that the event has come.',
    fields: (t) => ({
      id: t.exposeID('id'),
      stage: t.expose('stage', { type: stage }),
      partition: t.exposeInt('partition', { nullable: true }),
      sequence: t.expose('sequence', { type: 'BigInt', nullable: true }),
      windows: t.exposeStringList('windows', {
        description:
          'Metric, size and start of each window that it counts in: page_views PT1M 2026-05-01T12:00:00.000Z.',
      }),
      reason: t.exposeString('reason', { nullable: true, description: 'Why it does not count.' }),
      occurrences: t.exposeInt('occurrences', { description: 'Copies that came in; one of them at most counts.' }),
      searchedFrom: t.expose('searchedFrom', {
        type: 'DateTime',
        description: 'Copies that were received earlier were not looked for.',
      }),
    }),
  })
}

export const addEventStatus = (builder: Builder): void => {
  const status = addType(builder)
  builder.queryFields((t) => ({
    eventStatus: t.field({
      type: status,
      nullable: true,
      description:
        'What became of one event. around: when it was sent, if the id does not tell (UUIDv7 does); a day before it is searched as well. Without either, all that is kept. Null: there is none.',
      args: {
        id: t.arg.id({ required: true }),
        around: t.arg({ type: 'DateTime' }),
      },
      resolve: (_, { id, around }, context) => {
        const { tenant } = need(context, 'READ')
        const sent = around ? readTime('around', around) : undefined
        return askStore(() => context.services.eventStatus(tenant, id, sent))
      },
    }),
  }))
}
