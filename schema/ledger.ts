import type { Counts, Outcome } from './checkpoint.ts'

/** The books are kept by minute of receipt: minutes since 1970 of the gateway's `receivedAt`. */
const MINUTE_MS = 60_000
/** 9999-12-31: whatever stands in a line, its minute is a time that every store can hold. */
const LAST_MINUTE = 4_223_371_679

export const receivedMinute = (receivedAt: number): number =>
  Math.min(Math.max(Math.floor(receivedAt / MINUTE_MS), 0), LAST_MINUTE)

/** Start of a minute, milliseconds since 1970. */
export const minuteStart = (minute: number): number => minute * MINUTE_MS

/** Why an event did not come in: it can never, or it was dropped on purpose under overload. */
export type Refusal = 'rejected' | 'shed'

/** What a gateway received of one tenant in one minute, as the headers of a frame say it. */
export interface Received {
  tenant: string
  minute: number
  /** Lines of the frame. */
  accepted: number
  /** Refused since the partition's frame before: they ride on it, and are no lines of it. */
  rejected: number
  shed: number
}

/** What the fold made of the events that one tenant sent in one minute. */
export interface Settled extends Counts {
  tenant: string
  minute: number
}

/** `main@29000000=3,other@29000000=2`: events of a frame by tenant and minute of receipt. */
export const encodeReceived = (slots: readonly Received[]): string =>
  slots
    .filter(({ accepted }) => accepted > 0)
    .map(({ tenant, minute, accepted }) => `${tenant}@${minute}=${accepted}`)
    .join(',')

/** `main@29000000=3/1`: rejected and shed events by tenant and minute of receipt. */
export const encodeRefused = (slots: readonly Received[]): string =>
  slots
    .filter(({ rejected, shed }) => rejected > 0 || shed > 0)
    .map(({ tenant, minute, rejected, shed }) => `${tenant}@${minute}=${rejected}/${shed}`)
    .join(',')

const RECEIVED = /([a-z][a-z0-9_]*)@(\d{1,10})=(\d{1,9})(?:\/(\d{1,9}))?/g

const entries = (text: string) =>
  [...text.matchAll(RECEIVED)].map(([, tenant, minute, first, second = '0']) => ({
    tenant,
    minute: Math.min(Number(minute), LAST_MINUTE),
    counts: [Number(first), Number(second)],
  }))

/** What the two headers say together. */
export const decodeReceived = (received: string, refused: string): Received[] => [
  ...entries(received).map(({ tenant, minute, counts: [accepted] }) => ({
    tenant,
    minute,
    accepted,
    rejected: 0,
    shed: 0,
  })),
  ...entries(refused).map(({ tenant, minute, counts: [rejected, shed] }) => ({
    tenant,
    minute,
    accepted: 0,
    rejected,
    shed,
  })),
]

const slotKey = (tenant: string, minute: number): string => `${tenant}@${minute}`

/** Sums of slots by tenant and minute, made as they come. */
const createSlots = <T extends { tenant: string; minute: number }>(empty: (tenant: string, minute: number) => T) => {
  const slots = new Map<string, T>()
  let last: T | undefined
  return {
    of(tenant: string, minute: number): T {
      // Events of one tenant and minute follow each other.
      if (last !== undefined && last.minute === minute && last.tenant === tenant) return last
      const key = slotKey(tenant, minute)
      last = slots.get(key) ?? empty(tenant, minute)
      slots.set(key, last)
      return last
    },
    size: () => slots.size,
    list: (): T[] => [...slots.values()],
    clear(): void {
      slots.clear()
      last = undefined
    },
  }
}

/** Counts what a gateway received. */
export const createReceivedTally = () => {
  const slots = createSlots<Received>((tenant, minute) => ({ tenant, minute, accepted: 0, rejected: 0, shed: 0 }))
  return {
    add(tenant: string, receivedAt: number, kind: 'accepted' | Refusal, count: number): void {
      if (count > 0) slots.of(tenant, receivedMinute(receivedAt))[kind] += count
    },
    isEmpty: () => slots.size() === 0,
    list: slots.list,
    /** All of it; the tally starts from nothing. */
    take(): Received[] {
      const taken = slots.list()
      slots.clear()
      return taken
    },
  }
}

export type ReceivedTally = ReturnType<typeof createReceivedTally>

/** Counts what became of events. */
export const createSettledTally = () => {
  const slots = createSlots<Settled>((tenant, minute) => ({ tenant, minute, C: 0, D: 0, L: 0, I: 0 }))
  return {
    add(tenant: string, minute: number, outcome: Outcome, count = 1): void {
      slots.of(tenant, minute)[outcome] += count
    },
    size: slots.size,
    list: slots.list,
  }
}

export type SettledTally = ReturnType<typeof createSettledTally>

/** Sums by tenant and minute of several lists. */
export const addSettled = (lists: readonly (readonly Settled[])[]): Settled[] => {
  const tally = createSettledTally()
  for (const { tenant, minute, ...counts } of lists.flat()) {
    for (const outcome of ['C', 'D', 'L', 'I'] as const) tally.add(tenant, minute, outcome, counts[outcome])
  }
  return tally.list()
}
