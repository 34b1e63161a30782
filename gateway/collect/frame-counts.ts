import { createReceivedTally, type Received } from '#schema/ledger.ts'

/** Counts the events of a frame by tenant, and by the minute in which they were received. */
export class FrameCounts {
  private readonly counts = new Map<string, number>()
  private readonly received = createReceivedTally()
  /** Events that came one after the other, of one request as a rule: counted together. */
  private run = 0
  private tenant = ''
  private receivedAt = 0

  add(tenant: string, receivedAt: number): void {
    if (tenant !== this.tenant || receivedAt !== this.receivedAt) {
      this.endRun()
      this.tenant = tenant
      this.receivedAt = receivedAt
    }
    this.run++
  }

  list(): { counts: ReadonlyMap<string, number>; received: Received[] } {
    this.endRun()
    return { counts: this.counts, received: this.received.list() }
  }

  private endRun(): void {
    const { run, tenant, receivedAt, counts, received } = this
    if (run === 0) return
    counts.set(tenant, (counts.get(tenant) ?? 0) + run)
    received.add(tenant, receivedAt, 'accepted', run)
    this.run = 0
  }
}
