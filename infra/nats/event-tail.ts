import type { EventTail, MetricChange, TailCopy } from '#gateway/ports.ts'
import { decodeOutcomes, type Outcome } from '#schema/checkpoint.ts'
import { readControl } from '#schema/control.ts'
import type { EventLine } from '#schema/event.ts'
import type { LogMessage } from '#schema/frame.ts'
import { logStream } from '#schema/subjects.ts'
import type { Broker } from './broker.ts'
import { createOutputFeed } from './outputs.ts'
import { settlementOf } from './settlements.ts'

/** Copies whose settlement is looked up: an id that is sent over and over is a matter of its first copies. */
const MOST_LOOKED_UP = 20

type Copy = Omit<TailCopy, 'outcome' | 'changes'> & { index: number }

const readLine = (text: string): EventLine | null => {
  try {
    return JSON.parse(text) as EventLine
  } catch {
    return null
  }
}

/** Copies in one frame. Bytes are compared first: parsing all that waits would take longer than the question may. */
const copiesIn = (message: LogMessage, partition: number, tenant: string, id: string): Copy[] => {
  if (message.kind !== 'events') return []
  const data = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength)
  const wanted = JSON.stringify(id)
  if (!data.includes(wanted)) return []
  const lines = data
    .toString()
    .split('\n')
    .filter((line) => line !== '')
  return lines.flatMap((text, index) => {
    const line = text.includes(wanted) ? readLine(text) : null
    if (line?.tenant !== tenant || line.e?.id !== id) return []
    return [{ partition, sequence: message.sequence, index, line }]
  })
}

/** What a control record says of a tenant's metrics. */
const changeIn = (message: LogMessage, tenant: string): MetricChange | null => {
  const record = message.kind === 'control' ? readControl(message.data) : ''
  if (typeof record === 'string' || !('tenant' in record) || record.tenant !== tenant) return null
  if (record.kind === 'defineMetric') {
    const { metric } = record
    return { name: metric.name, version: metric.version, definition: metric }
  }
  return record.kind === 'deleteMetric' ? { name: record.name, version: record.version, definition: null } : null
}

/** What stands in the logs behind what the store holds. */
export const createEventTail = (broker: Broker): EventTail => {
  const feed = createOutputFeed(broker)

  const findIn = async (partition: number, after: number, tenant: string, id: string) => {
    const { first, last } = await broker.range(logStream(partition))
    const copies: (Copy & Pick<TailCopy, 'changes'>)[] = []
    const changes: MetricChange[] = []
    const from = Math.max(after + 1, first)
    if (from > last) return copies
    for await (const message of feed.frames(partition, from, last)) {
      const change = changeIn(message, tenant)
      if (change) changes.push(change)
      for (const copy of copiesIn(message, partition, tenant, id)) copies.push({ ...copy, changes: [...changes] })
    }
    return copies
  }

  const outcomeOf = async ({ partition, sequence, index }: Copy): Promise<Outcome | null> => {
    const settlement = await settlementOf(broker, partition, sequence)
    if (!settlement) return null
    const text = settlement.outcomes[sequence]
    return text === undefined ? 'C' : (decodeOutcomes(text)[index] ?? null)
  }

  return {
    async find(tenant, id, after) {
      const found = await Promise.all(after.map((sequence, partition) => findIn(partition, sequence, tenant, id)))
      const copies = found.flat()
      const outcomes = await Promise.all(copies.slice(0, MOST_LOOKED_UP).map(outcomeOf))
      return copies.map(({ index: _, ...copy }, i) => ({ ...copy, outcome: outcomes[i] ?? null }))
    },
  }
}
