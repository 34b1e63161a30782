import type { ArchiveBook, ObjectStore, SettledFeed } from '#processors/ports.ts'
import { type ArchiveOutcome, dayOf } from '#schema/archive.ts'
import { type Counts, encodeOutcomes, type Outcome, type Settlement } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import type { LogMessage } from '#schema/frame.ts'

/** A number in [0, 1). */
export type Random = () => number

/** mulberry32: the same seed, the same run. */
export const seeded = (seed: number): Random => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const encoder = new TextEncoder()
const T0 = Date.UTC(2024, 4, 1, 12)
const DAY = 86_400_000
const TENANTS = ['main', 'other']
const BY_OUTCOME: Partial<Record<Outcome, ArchiveOutcome>> = { C: 'events', L: 'late', I: 'invalid' }

/** A settled log, and what an archive of it must hold. */
export interface SettledLog {
  feed: SettledFeed
  /** By partition. */
  last: number[]
  /** `outcome tenant date partition sequence index` of every line that must be in a file. */
  rows: Set<string>
  duplicates: number
}

interface Line {
  text: string
  outcome: Outcome
  tenant: string
  day: string
}

const pick = <T>(random: Random, values: readonly T[]): T => values[Math.floor(random() * values.length)]

const makeLine = (random: Random, id: string): Line => {
  if (random() < 0.05) return { text: `{"broken ${id}`, outcome: 'I', tenant: '_unknown', day: dayOf(T0) }
  const time = T0 - Math.floor(random() * 3) * DAY
  const tenant = pick(random, TENANTS)
  const outcome = pick(random, ['C', 'C', 'C', 'C', 'C', 'D', 'L', 'I'] as const)
  const line: EventLine = {
    tenant,
    source: 'live',
    receivedAt: T0,
    time,
    key: id,
    weight: 1,
    schema: 0,
    e: { id, name: 'view', properties: { n: random() } },
  }
  return { text: JSON.stringify(line), outcome, tenant, day: dayOf(outcome === 'I' ? T0 : time) }
}

/** A log of some partitions with checkpoints of a few frames each. */
export const makeSettledLog = (random: Random, partitions: number, checkpoints: number): SettledLog => {
  const rows = new Set<string>()
  let duplicates = 0
  const settlements: Settlement[][] = []
  const logs: LogMessage[][] = []
  for (let partition = 0; partition < partitions; partition++) {
    const log: LogMessage[] = []
    const settled: Settlement[] = []
    for (let checkpoint = 1; checkpoint <= checkpoints; checkpoint++) {
      const from = log.length + 1
      const outcomes: Record<string, string> = {}
      const totals: Record<string, Counts> = {}
      for (let frames = Math.floor(random() * 3); frames > 0; frames--) {
        const sequence = log.length + 1
        const lines = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, i) =>
          makeLine(random, `${partition}-${sequence}-${i}`),
        )
        for (const [index, { outcome, tenant, day }] of lines.entries()) {
          totals[tenant] ??= { C: 0, D: 0, L: 0, I: 0 }
          totals[tenant][outcome]++
          const folder = BY_OUTCOME[outcome]
          if (folder) rows.add(`${folder} ${tenant} ${day} ${partition} ${sequence} ${index}`)
          else duplicates++
        }
        const verdicts = lines.map(({ outcome }) => outcome)
        if (verdicts.some((verdict) => verdict !== 'C')) outcomes[sequence] = encodeOutcomes(verdicts)
        const data = encoder.encode(lines.map(({ text }) => text).join('\n'))
        log.push({ sequence, storedAt: T0, kind: 'events', data })
      }
      settled.push({
        format: 1,
        partition,
        checkpoint,
        epoch: 1,
        from,
        to: log.length,
        aggregates: 0,
        late: 0,
        totals,
        outcomes,
        clocks: [],
        definitions: [],
        at: T0,
      })
    }
    logs.push(log)
    settlements.push(settled)
  }
  const feed: SettledFeed = {
    async *read(partition, after, signal) {
      yield* settlements[partition].slice(after)
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    },
    async *frames(partition, from, to) {
      yield* logs[partition].slice(from - 1, to)
    },
  }
  return { feed, last: logs.map(({ length }) => length), rows, duplicates }
}

/** A process that can die: nothing that it does afterwards happens, but for what is under way. */
export interface Weather {
  /** Of an operation: it is refused, or it happens and its answer is lost. */
  failures: number
  /** Of an operation: the process dies before or after it. */
  deaths: number
}

export const createMortal = (random: Random, weather: Weather) => {
  const { promise: death, resolve: die } = Promise.withResolvers<void>()
  let isDead = false
  const end = (): never => {
    isDead = true
    die()
    throw new Error('died')
  }
  const through = async <T>(act: () => Promise<T>): Promise<T> => {
    if (isDead) throw new Error('died')
    if (random() < weather.deaths) end()
    if (random() < weather.failures) throw new Error('refused')
    const answer = await act()
    if (isDead || random() < weather.deaths) end()
    if (random() < weather.failures) throw new Error('no answer')
    return answer
  }
  return {
    death,
    isDead: () => isDead,
    store: (store: ObjectStore): ObjectStore => ({
      ...store,
      put: (...args) => through(() => store.put(...args)),
      get: (...args) => through(() => store.get(...args)),
      info: (...args) => through(() => store.info(...args)),
      checksum: (...args) => through(() => store.checksum(...args)),
      delete: (...args) => through(() => store.delete(...args)),
    }),
    book: (book: ArchiveBook): ArchiveBook => ({
      read: (...args) => through(() => book.read(...args)),
      write: (...args) => through(() => book.write(...args)),
    }),
  }
}
