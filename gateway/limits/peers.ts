import type { UsageReport } from '#schema/report.ts'

/** Three reports are missing. */
const SILENT_MS = 1_500

interface Peer {
  heardAt: number
  keys: UsageReport['keys']
}

/**
 * The other gateways, by what they report. One that is silent is gone, but only while this gateway hears its own reports:
 * when it does not, NATS is slow or away, and who took a share before keeps it. Times are monotonic, milliseconds.
 */
export const createPeers = (self: string) => {
  const peers = new Map<string, Peer>()
  let echoedAt = Number.NEGATIVE_INFINITY
  let version = 0
  return {
    hear({ gateway, leaving, keys }: UsageReport, now: number): void {
      version++
      if (gateway === self) echoedAt = now
      else if (leaving) peers.delete(gateway)
      else peers.set(gateway, { heardAt: now, keys })
    },
    /** Forgets who is gone. */
    expire(now: number): void {
      if (now - echoedAt > SILENT_MS) return
      for (const [gateway, { heardAt }] of peers) {
        if (now - heardAt > SILENT_MS && peers.delete(gateway)) version++
      }
    },
    /** What each of them was asked to take of a key, a second. */
    demands: (key: string, unit: 0 | 1): number[] => [...peers.values()].map(({ keys }) => keys[key]?.[unit] ?? 0),
    count: () => peers.size,
    /** Another one whenever anything here has changed. */
    version: () => version,
  }
}

export type Peers = ReturnType<typeof createPeers>
