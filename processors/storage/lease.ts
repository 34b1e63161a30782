import type { Leases } from '../ports.ts'
import { pause } from '../runtime/signal.ts'

const LOOK_MS = 300

/** Waits until the lease is free and holds it; false when `signal` aborts first. */
export const waitForLease = async (leases: Leases, name: string, signal: AbortSignal): Promise<boolean> => {
  while (!signal.aborted) {
    if (await leases.acquire(name)) return true
    await pause(LOOK_MS, signal)
  }
  return false
}
