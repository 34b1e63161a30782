import type { EventLine } from '#schema/event.ts'
import type { KeyKind, KeyRecord } from '#schema/keys.ts'
import { hashSecret } from '../keys/secret.ts'
import type { GeoIp, KeyBook, LogWriter, OutgoingFrame } from '../ports.ts'

/** A log that keeps frames in memory and acknowledges at once, or as `answer` says. */
export const createMemoryLog = (
  answer: (frame: OutgoingFrame, deadlineMs: number) => Promise<void> = async () => {},
) => {
  const frames: OutgoingFrame[] = []
  const log: LogWriter = {
    append: async (frame, deadlineMs) => {
      const sequence = frames.push(frame)
      await answer(frame, deadlineMs)
      return sequence
    },
    appendControl: async () => frames.length,
  }
  const lines = (): EventLine[] =>
    frames.flatMap((frame) =>
      Buffer.from(frame.data)
        .toString()
        .split('\n')
        .map((line) => JSON.parse(line) as EventLine),
    )
  return { log, frames, lines }
}

/** Keys by their secret, all of tenant `main` unless it is told. */
export const createMemoryKeys = (kinds: Record<string, KeyKind>, tenant = 'main'): KeyBook => {
  const records = new Map<string, KeyRecord>()
  for (const [secret, kind] of Object.entries(kinds)) {
    records.set(hashSecret(secret), { id: secret, tenant, kind, label: '', createdAt: 0 })
  }
  return {
    find: (hash) => records.get(hash),
    byId: (id) => {
      const [found] = [...records].filter(([, record]) => record.id === id)
      return found && { secretHash: found[0], record: found[1] }
    },
    put: async (hash, record) => void records.set(hash, record),
    remove: async (hash) => void records.delete(hash),
  }
}

export const createFakeGeoIp = (countries: Record<string, string>): GeoIp => ({
  country: (address) => (Object.hasOwn(countries, address) ? countries[address] : undefined),
})
