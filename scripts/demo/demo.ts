import type { ClientEvent } from '#schema/event.ts'
import type { CollectorClient } from '#scripts/lib/collector.ts'
import type { Shop } from './shop.ts'

export interface DemoTotals {
  /** Events that the collector answered for. */
  sent: number
  accepted: number
  rejected: number
  shed: number
}

export interface DemoOptions {
  shop: Shop
  client: CollectorClient
  /** Ends the demo after the request under way. */
  signal: AbortSignal
  onProgress?: (totals: DemoTotals) => void
  /** Milliseconds since 1970. */
  now?: () => number
  /** Resolves after so many milliseconds, or when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

const TICK_MS = 250
const BATCH_EVENTS = 500
/** Of what would have been sent while the collector was away, only so much is made up for. */
const CATCH_UP_MS = 60_000

/** Sends what the shop's visitors do, as they do it, until the signal aborts. Rejects when the collector refuses. */
export const runDemo = async ({ shop, client, signal, onProgress, now = Date.now, sleep }: DemoOptions) => {
  const totals: DemoTotals = { sent: 0, accepted: 0, rejected: 0, shed: 0 }
  const deliver = async (batch: ClientEvent[]) => {
    const { accepted, rejected, shed } = await client.send(batch.map((event) => JSON.stringify(event)).join('\n'))
    totals.sent += batch.length
    totals.accepted += accepted
    totals.rejected += rejected
    totals.shed += shed
    onProgress?.(totals)
  }
  const deliverDue = async () => {
    skip(shop, now() - CATCH_UP_MS)
    for (const batch of batchesOf(shop.until(now()))) {
      if (signal.aborted) return
      await deliver(batch)
    }
  }
  while (!signal.aborted) {
    await deliverDue().catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
    await sleep(TICK_MS, signal)
  }
  return totals
}

const skip = (shop: Shop, endMs: number): void => {
  for (const _ of shop.until(endMs));
}

function* batchesOf(events: Iterable<ClientEvent>): Generator<ClientEvent[], void> {
  let batch: ClientEvent[] = []
  for (const event of events) {
    batch.push(event)
    if (batch.length < BATCH_EVENTS) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
