import type { Counts, Outcome } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import { createSettledTally, type Received, receivedMinute, type Settled } from '#schema/ledger.ts'

/** Where what cannot be read is kept when nobody says whose it is. */
export const NO_TENANT = 'unknown'

/** Counts what became of events, by tenant and by minute of receipt. */
export class Tally {
  /** Without a prototype: a tenant may be called constructor. */
  readonly totals: Record<string, Counts> = Object.create(null)
  private readonly minutes = createSettledTally()

  count(tenant: string, minute: number, outcome: Outcome): Outcome {
    this.totals[tenant] ??= { C: 0, D: 0, L: 0, I: 0 }
    this.totals[tenant][outcome]++
    this.minutes.add(tenant, minute, outcome)
    return outcome
  }

  get size(): number {
    return this.minutes.size()
  }

  get byMinute(): Settled[] {
    return this.minutes.list()
  }
}

/** Whose a line is that could not be read. `certain`: nobody else can have sent it. */
export interface Owner {
  tenant: string
  minute: number
  certain: boolean
}

/**
 * Whose the unreadable lines of a frame are: its headers count the lines of each tenant and minute, and what the readable
 * lines leave over is theirs. So the books of every tenant balance, whatever a line has become.
 */
export const ownersOf = (
  unreadable: number,
  readable: Iterable<EventLine>,
  received: readonly Received[],
  storedAt: number,
): Owner[] => {
  const left = received.map((slot) => ({ ...slot }))
  for (const { tenant, receivedAt } of readable) {
    const minute = receivedMinute(receivedAt)
    const slot = left.find((one) => one.tenant === tenant && one.minute === minute && one.accepted > 0)
    if (slot) slot.accepted--
  }
  const open = left.filter(({ accepted }) => accepted > 0)
  const certain = new Set(open.map(({ tenant }) => tenant)).size === 1
  const owners = open.flatMap(({ tenant, minute, accepted }) =>
    Array.from({ length: Math.min(accepted, unreadable) }, () => ({ tenant, minute, certain })),
  )
  const nobody = { tenant: NO_TENANT, minute: receivedMinute(storedAt), certain: true }
  return Array.from({ length: unreadable }, (_, i) => owners[i] ?? nobody)
}
