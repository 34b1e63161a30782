import { createRandom, type Random } from '#scripts/demo/random.ts'

export const PROCESSES = ['gateway', 'processor', 'storage', 'nats-server'] as const
export type ProcessKind = (typeof PROCESSES)[number]
/** Whose connections to NATS are disturbed. */
export const LINKS = ['gateway', 'processor', 'storage', 'all'] as const
export type Link = (typeof LINKS)[number]

export type Fault =
  /** SIGKILL; whoever supervises it starts it again. */
  | { kind: 'kill'; process: ProcessKind }
  /** SIGKILL of all at once, as when the machine goes. */
  | { kind: 'blackout' }
  /** SIGSTOP, and SIGCONT after so long. */
  | { kind: 'stop'; process: ProcessKind; forMs: number }
  /** Connections to NATS end. */
  | { kind: 'cut'; link: Link }
  | { kind: 'refuse'; link: Link; forMs: number }
  | { kind: 'delay'; link: Link; forMs: number; delayMs: number }
  | { kind: 'narrow'; link: Link; forMs: number; bandwidth: number }
  | { kind: 'freeze'; link: Link; forMs: number }
  /** Dashboards lose their connections and come back with their cursors, perhaps to another gateway. */
  | { kind: 'leave' }

export type PlannedFault = Fault & {
  /** After the beginning, milliseconds. */
  atMs: number
  /** In [0, 1): which of several processes of the kind. */
  place: number
}

/** Longer than a lease, so that another owner takes over. */
const PAST_LEASE_MS = 5_000
const SHORTEST_LONG_MS = 7_000
const LONGEST_STOP_MS = 12_000
const MOST_GAP_MS = 3_000

/** What one card does: faults, each so long after the first. */
type Deal = (random: Random, longestMs: number) => (Fault & { afterMs?: number })[]

const kill = (process: ProcessKind): Deal => {
  return () => [{ kind: 'kill', process }]
}
const hiccup = (process: ProcessKind): Deal => {
  return (random) => [{ kind: 'stop', process, forMs: random.whole(50, 2_500) }]
}
const coma = (process: ProcessKind): Deal => {
  return (random, longestMs) => [{ kind: 'stop', process, forMs: random.whole(PAST_LEASE_MS, longestMs) }]
}
const cut = (link: Link): Deal => {
  return () => [{ kind: 'cut', link }]
}
/** Killed with something on the way to the log that will never arrive. */
const strand = (process: Exclude<ProcessKind, 'nats-server'>): Deal => {
  return (random) => [
    { kind: 'freeze', link: process, forMs: 3_000 },
    { kind: 'kill', process, afterMs: random.whole(300, 2_500) },
  ]
}

/** Every kind of fault on every kind of process, and what happens to the network. */
const DECK: readonly Deal[] = [
  ...PROCESSES.flatMap((process) => [kill(process), hiccup(process)]),
  coma('processor'),
  coma('gateway'),
  coma('storage'),
  coma('nats-server'),
  () => [{ kind: 'blackout' }],
  strand('gateway'),
  strand('processor'),
  strand('storage'),
  ...LINKS.map(cut),
  (random) => [{ kind: 'refuse', link: random.pick(LINKS), forMs: random.whole(300, 4_000) }],
  (random) => [
    { kind: 'delay', link: random.pick(LINKS), forMs: random.whole(1_000, 8_000), delayMs: random.whole(20, 800) },
  ],
  (random) => [
    {
      kind: 'narrow',
      link: random.pick(LINKS),
      forMs: random.whole(1_000, 8_000),
      bandwidth: Math.round(random.logUniform(5_000, 500_000)),
    },
  ],
  (random, longestMs) => [{ kind: 'freeze', link: random.pick(LINKS), forMs: random.whole(500, longestMs) }],
  () => [{ kind: 'leave' }],
  () => [{ kind: 'leave' }],
]
/** In a long run, after each time the deck was dealt: everything comes to itself again. */
const REST_MS = 10_000

const shuffled = <T>(items: readonly T[], random: Random): T[] =>
  items
    .map((item) => ({ item, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)

/**
 * Faults of a run, in order. The deck is dealt again and again, so that each kind comes at least once however short the
 * run is. The same seed and length give the same plan.
 */
export const planFaults = (seed: number, seconds: number): PlannedFault[] => {
  const random = createRandom(seed, 1)
  const endMs = seconds * 1_000
  const longestMs = Math.max(SHORTEST_LONG_MS, Math.min(LONGEST_STOP_MS, endMs / 5))
  // A long run takes its time; a short one deals the whole deck.
  const gapMs = Math.min(MOST_GAP_MS, endMs / DECK.length)
  const plan: PlannedFault[] = []
  for (let fromMs = 0; fromMs < endMs; fromMs += DECK.length * gapMs + REST_MS) {
    for (const [i, deal] of shuffled(DECK, random).entries()) {
      const atMs = Math.round(fromMs + (i + random.next()) * gapMs)
      const place = random.next()
      for (const { afterMs = 0, ...fault } of deal(random, longestMs)) {
        plan.push({ ...fault, atMs: atMs + afterMs, place })
      }
    }
  }
  return plan.filter(({ atMs }) => atMs < endMs).sort((a, b) => a.atMs - b.atMs)
}

/** Before and after an outage, milliseconds. */
const AROUND_MS = 5_000

/** One fault: a process stands still for the whole run but a few seconds at its ends. */
export const planOutage = (process: ProcessKind, seconds: number): PlannedFault[] => [
  { kind: 'stop', process, forMs: Math.max(0, seconds * 1_000 - 2 * AROUND_MS), atMs: AROUND_MS, place: 0 },
]
