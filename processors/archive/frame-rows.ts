import {
  type ArchivedLine,
  type ArchiveGroup,
  type ArchiveOutcome,
  type ArchiveRow,
  dayOf,
  NO_ARCHIVE_TENANT,
} from '#schema/archive.ts'
import { toEventRow } from '#schema/archive-row.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import { readEventLine } from '#schema/event-line.ts'
import type { LogMessage } from '#schema/frame.ts'
import { minuteStart } from '#schema/ledger.ts'
import { settledLines } from '../storage/lines.ts'
import { NO_TENANT, type Owner, ownersOf } from '../windows/tally.ts'

/** Rows of one group; `bytes` of the lines that they came from. */
export interface GroupRows {
  group: ArchiveGroup
  rows: ArchiveRow[]
  /** Repetitions of events, which are no rows. */
  duplicates: number
  bytes: number
}

export const groupKey = ({ outcome, tenant, date }: ArchiveGroup): string => `${outcome} ${tenant} ${date}`

interface Unreadable {
  index: number
  text: string
  reason: string
}

/** A line that may be of several tenants is nobody's: its text is in no tenant's folder. */
const ownerOf = ({ tenant, certain }: Owner): string => (certain && tenant !== NO_TENANT ? tenant : NO_ARCHIVE_TENANT)

/** The settled lines of one message, by group: a pure function of the message and its settlement. Throws FrameMismatch. */
export const frameRows = (settlement: Settlement, message: LogMessage): GroupRows[] => {
  const { lines, verdicts } = settledLines(settlement, message)
  const { partition } = settlement
  const { sequence } = message
  const groups = new Map<string, GroupRows>()
  const groupOf = (outcome: ArchiveOutcome, tenant: string, time: number): GroupRows => {
    const group = { outcome, tenant, date: dayOf(time) }
    const key = groupKey(group)
    const known = groups.get(key)
    if (known) return known
    const fresh = { group, rows: [], duplicates: 0, bytes: 0 }
    groups.set(key, fresh)
    return fresh
  }
  const add = (into: GroupRows, row: ArchiveRow, text: string): void => {
    into.rows.push(row)
    into.bytes += text.length
  }
  const invalid = (tenant: string, received_at: number, index: number, reason: string | null, text: string): void => {
    const row: ArchivedLine = { tenant, received_at, partition, sequence, index, reason, line: text }
    add(groupOf('invalid', tenant, received_at), row, text)
  }

  const readable: EventLine[] = []
  const unreadable: Unreadable[] = []
  for (const [index, text] of lines.entries()) {
    const event = readEventLine(text)
    if (typeof event === 'string') {
      unreadable.push({ index, text, reason: event })
      continue
    }
    readable.push(event)
    const verdict = verdicts?.[index] ?? 'C'
    if (verdict === 'I') invalid(event.tenant, event.receivedAt, index, null, text)
    else if (verdict === 'D') groupOf('events', event.tenant, event.time).duplicates++
    else {
      const into = groupOf(verdict === 'C' ? 'events' : 'late', event.tenant, event.time)
      add(into, toEventRow(text, event, { partition, sequence, index }), text)
    }
  }
  const owners = ownersOf(unreadable.length, readable, message.received ?? [], message.storedAt)
  for (const [i, { index, text, reason }] of unreadable.entries()) {
    invalid(ownerOf(owners[i]), minuteStart(owners[i].minute), index, reason, text)
  }
  return [...groups.values()]
}
