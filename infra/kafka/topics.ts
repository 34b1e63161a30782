import { druidLines } from '#infra/druid/rows.ts'
import type { StoredMessage } from '#infra/nats/broker.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import { renderFrame } from './frame-lines.ts'
import { AGGREGATES, LOG, type Settled, type Source } from './settled.ts'

/** A topic: partition p of it is partition p of the deployment, an offset is a sequence of the source's stream. */
export interface Topic {
  name: string
  source: Source
  /** Settlements are records as well, behind the messages that they name. */
  withSettlements: boolean
  /**
   * The record's value, newline-delimited JSON; null: the message is no record. Who may read one
   * tenant only gets the lines that name it.
   * A function of the two and of nothing else: every server gives the same bytes.
   */
  render(message: StoredMessage, settlement: Settlement): Uint8Array | null
}

const encoder = new TextEncoder()

const renderForDruid = (message: StoredMessage): Uint8Array | null => {
  const lines = druidLines(message)
  return lines.length === 0 ? null : encoder.encode(lines.join('\n'))
}

/** The one table of topics. */
export const TOPICS: readonly Topic[] = [
  { name: 'user_events', source: LOG, withSettlements: false, render: renderFrame },
  { name: 'aggregates', source: AGGREGATES, withSettlements: false, render: ({ data }) => data },
  { name: 'olap_aggregates', source: AGGREGATES, withSettlements: true, render: renderForDruid },
]

/** The offset behind all that a settlement names. */
export const endOf = ({ source, withSettlements }: Topic, settled: Settled): number =>
  withSettlements ? settled.at + 1 : source.range(settled).to + 1

export const hasRecords = ({ source, withSettlements }: Topic, settled: Settled): boolean => {
  const { from, to } = source.range(settled)
  return withSettlements || from <= to
}
