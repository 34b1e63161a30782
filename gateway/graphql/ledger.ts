import { minuteStart, receivedMinute } from '#schema/ledger.ts'
import type { Ledger } from '#schema/olap.ts'
import type { Builder } from './builder.ts'
import { askStore } from './paging.ts'
import { need } from './rights.ts'
import { readTime } from './scalars.ts'

const addType = (builder: Builder) =>
  builder.objectRef<Ledger>('Ledger').implement({
    description:
      'accepted = counted + late + duplicate + invalid. Each reader counted for itself; balanced says whether all agree.',
    fields: (t) => ({
      accepted: t.expose('accepted', {
        type: 'BigInt',
        description: 'By the headers of frames, as gateways wrote them. All counts are of what is settled and stored.',
      }),
      counted: t.expose('counted', { type: 'BigInt', description: 'By the settlements of processors.' }),
      late: t.expose('late', { type: 'BigInt' }),
      duplicate: t.expose('duplicate', { type: 'BigInt' }),
      invalid: t.expose('invalid', { type: 'BigInt' }),
      shed: t.expose('shed', { type: 'BigInt', description: 'Never accepted: by the headers of frames.' }),
      rejected: t.expose('rejected', {
        type: 'BigInt',
        description: 'Never accepted, and not to be sent again: by the headers of frames.',
      }),
      stored: t.expose('stored', { type: 'BigInt', description: 'By the rows of raw_events.' }),
      archived: t.expose('archived', {
        type: 'BigInt',
        description: 'Counted events that are in the archive, a minute or so later. No matter of the balance.',
      }),
      balanced: t.exposeBoolean('balanced', {
        description: 'In each minute all who counted agree, on stored rows, dead letters and duplicates as well.',
      }),
      settledUntil: t.expose('settledUntil', {
        type: 'DateTime',
        nullable: true,
        description: 'Everything that was received until then is settled and stored, in all partitions.',
      }),
    }),
  })

/** From the minute that holds `from` to the one that holds the last moment before `to`. */
const wholeMinutes = (from: number, to: number): { from: number; to: number } => ({
  from: minuteStart(receivedMinute(from)),
  to: to > from ? minuteStart(receivedMinute(to - 1) + 1) : minuteStart(receivedMinute(from)),
})

export const addLedger = (builder: Builder): void => {
  const ledger = addType(builder)
  builder.queryFields((t) => ({
    ledger: t.field({
      type: ledger,
      description:
        'Settled up to settledUntil; by the minute in which the gateway received the events. Minutes that the range holds only a part of count wholly.',
      args: {
        from: t.arg({ type: 'DateTime', required: true }),
        to: t.arg({ type: 'DateTime', required: true }),
      },
      resolve: (_, { from, to }, context) => {
        const { tenant } = need(context, 'READ')
        const range = wholeMinutes(readTime('from', from), readTime('to', to))
        // The store knows how far it is.
        return askStore(() => context.services.olap.ledger({ tenant, ...range, settledUntil: null }))
      },
    }),
  }))
}
