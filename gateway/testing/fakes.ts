import { createHash } from 'node:crypto'
import type { EventLine } from '#schema/event.ts'
import type { KeyKind, KeyRecord } from '#schema/keys.ts'
import type { GeoIp, KeyStore, LogWriter, OutgoingFrame } from '../ports.ts'

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
export const createMemoryKeys = (kinds: Record<string, KeyKind>, tenant = 'main'): KeyStore => {
  const records = new Map<string, KeyRecord>()
  for (const [secret, kind] of Object.entries(kinds)) {
    const hash = createHash('sha256').update(secret).digest('hex')
    records.set(hash, { id: secret, tenant, kind, label: '', createdAt: 0 })
  }
  return { find: (hash) => records.get(hash) }
}

export const createFakeGeoIp = (countries: Record<string, string>): GeoIp => ({
  country: (address) => (Object.hasOwn(countries, address) ? countries[address] : undefined),
})
