import {
  type ArchivedLine,
  type ArchiveGroup,
  type ArchiveOutcome,
  type ArchiveRow,
  type ArchiveSpan,
  DAY_MS,
  dayOf,
  NO_ARCHIVE_TENANT,
} from '#schema/archive.ts'
import { toEventRow } from '#schema/archive-row.ts'
import type { Outcome, Settlement } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import { readEventLine } from '#schema/event-line.ts'
import type { LogMessage } from '#schema/frame.ts'
import { minuteStart, receivedMinute } from '#schema/ledger.ts'
import { frameScanner } from '#schema/scan/frame-scanner.ts'
import type { ArchiveLines, PlainLines } from '../ports.ts'
import { FrameMismatch, isText, settledLines, verdictsOf } from '../storage/lines.ts'
import { NO_TENANT, type Owner, ownersOf } from '../windows/tally.ts'

/** Rows of one group. */
export interface GroupRows extends ArchiveLines {
  /** Rows of both kinds. */
  count: number
  span: ArchiveSpan
  /** Rows by the minute in which they were received. */
  minutes: Map<number, number>
  /** Repetitions of events, which are no rows. */
  duplicates: number
  /** Of the lines. */
  bytes: number
}

export const groupKey = ({ outcome, tenant, date }: ArchiveGroup): string => `${outcome} ${tenant} ${date}`

export const NO_SPAN: ArchiveSpan = {
  minTime: Number.POSITIVE_INFINITY,
  maxTime: Number.NEGATIVE_INFINITY,
  minReceivedAt: Number.POSITIVE_INFINITY,
  maxReceivedAt: Number.NEGATIVE_INFINITY,
}

const note = (into: GroupRows, time: number, receivedAt: number, bytes: number): void => {
  const { span, minutes } = into
  if (time < span.minTime) span.minTime = time
  if (time > span.maxTime) span.maxTime = time
  if (receivedAt < span.minReceivedAt) span.minReceivedAt = receivedAt
  if (receivedAt > span.maxReceivedAt) span.maxReceivedAt = receivedAt
  const minute = receivedMinute(receivedAt)
  minutes.set(minute, (minutes.get(minute) ?? 0) + 1)
  into.count++
  into.bytes += bytes
}

const addRow = (into: GroupRows, row: ArchiveRow, time: number, text: string): void => {
  into.rows.push(row)
  note(into, time, row.received_at, text.length)
}

/** Groups of one message. Most of its lines are of the group of the line before. */
class Groups {
  private readonly known = new Map<string, GroupRows>()
  private last: { outcome: ArchiveOutcome; tenant: string; day: number; rows: GroupRows } | null = null

  of(outcome: ArchiveOutcome, tenant: string, time: number): GroupRows {
    const day = Math.floor(time / DAY_MS)
    const { last } = this
    if (last && last.day === day && last.tenant === tenant && last.outcome === outcome) return last.rows
    const group = { outcome, tenant, date: dayOf(time) }
    const key = groupKey(group)
    const fresh = (): GroupRows => ({
      ...{ group, rows: [], plain: null, count: 0, duplicates: 0, bytes: 0 },
      ...{ span: { ...NO_SPAN }, minutes: new Map() },
    })
    const rows = this.known.get(key) ?? fresh()
    this.known.set(key, rows)
    this.last = { outcome, tenant, day, rows }
    return rows
  }

  list(): GroupRows[] {
    return [...this.known.values()]
  }
}

const NEWLINE = 0x0a

const endOfLine = (data: Buffer, at: number): number => {
  const end = data.indexOf(NEWLINE, at)
  return end < 0 ? data.length : end
}

/** An event of a line, by itself or with its place in the bytes; null where the line has to be read with others. */
const readLine = (data: Buffer, at: number, verdict: Outcome) => {
  if (verdict === 'I') return null
  const scanned = frameScanner.read(data, at)
  if (scanned?.isRow) return { event: scanned, text: null, end: scanned.end }
  const end = endOfLine(data, at)
  const text = data.toString('utf8', at, end)
  const event = readEventLine(text)
  return typeof event === 'string' ? null : { event, text, end }
}

/** Lines of which each is an event: most say all of their row, and are not taken apart. Null where one is none. */
const eventRows = (settlement: Settlement, { sequence, data: bytes }: LogMessage): GroupRows[] | null => {
  if (!isText(bytes)) return null
  const { partition } = settlement
  const verdicts = verdictsOf(settlement, sequence)
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const groups = new Groups()
  let index = 0
  for (let at = 0; at < data.length; ) {
    if (data[at] === NEWLINE) {
      at++
      continue
    }
    const verdict = verdicts?.[index] ?? 'C'
    const line = readLine(data, at, verdict)
    if (!line) return null
    const { event, text, end } = line
    const into = groups.of(verdict === 'L' ? 'late' : 'events', event.tenant, event.time)
    if (verdict === 'D') into.duplicates++
    else if (text !== null) addRow(into, toEventRow(text, event, { partition, sequence, index }), event.time, text)
    else {
      into.plain ??= { partition, sequence, data, indexes: [], starts: [], ends: [] }
      addPlain(into.plain, index, at, end)
      note(into, event.time, event.receivedAt, end - at)
    }
    index++
    at = end + 1
  }
  if (verdicts && verdicts.length !== index) throw new FrameMismatch(partition, sequence, index, verdicts.length)
  return groups.list()
}

const addPlain = ({ indexes, starts, ends }: PlainLines, index: number, start: number, end: number): void => {
  indexes.push(index)
  starts.push(start)
  ends.push(end)
}

interface Unreadable {
  index: number
  text: string
  reason: string
}

/** A line that may be of several tenants is nobody's: its text is in no tenant's folder. */
const ownerOf = ({ tenant, certain }: Owner): string => (certain && tenant !== NO_TENANT ? tenant : NO_ARCHIVE_TENANT)

/** Lines of which some are no events: whose these are follows from all of them. */
const allRows = (settlement: Settlement, message: LogMessage): GroupRows[] => {
  const { lines, verdicts } = settledLines(settlement, message)
  const { partition } = settlement
  const { sequence } = message
  const groups = new Groups()
  const invalid = (tenant: string, received_at: number, index: number, reason: string | null, text: string): void => {
    const row: ArchivedLine = { tenant, received_at, partition, sequence, index, reason, line: text }
    addRow(groups.of('invalid', tenant, received_at), row, received_at, text)
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
    else if (verdict === 'D') groups.of('events', event.tenant, event.time).duplicates++
    else {
      const into = groups.of(verdict === 'C' ? 'events' : 'late', event.tenant, event.time)
      addRow(into, toEventRow(text, event, { partition, sequence, index }), event.time, text)
    }
  }
  const owners = ownersOf(unreadable.length, readable, message.received ?? [], message.storedAt)
  for (const [i, { index, text, reason }] of unreadable.entries()) {
    invalid(ownerOf(owners[i]), minuteStart(owners[i].minute), index, reason, text)
  }
  return groups.list()
}

/** The settled lines of one message, by group: a pure function of the message and its settlement. Throws FrameMismatch. */
export const frameRows = (settlement: Settlement, message: LogMessage): GroupRows[] => {
  if (message.kind !== 'events') return []
  return eventRows(settlement, message) ?? allRows(settlement, message)
}
