import type { LiveView } from '#gateway/live/live-view.ts'
import type { LogWriter, OlapReader, Reports } from '#gateway/ports.ts'
import { createLatency } from './latency.ts'
import { createStage } from './stage.ts'

/** Milliseconds since 1970, and milliseconds of a clock that never jumps. */
export interface Clocks {
  now(): number
  monotonic(): number
}

export interface MarkerOptions {
  log: Pick<LogWriter, 'appendControl'>
  olap: Pick<OlapReader, 'markers'>
  reports: Reports
  view: Pick<LiveView, 'sequence' | 'onAdvance'>
  clock: Clocks
  /** Of this process alone. */
  gateway: string
  partitions: number
  intervalMs: number
  /** Told of every arrival: seconds from the acknowledgement to the live view, and to a row that SQL answers. */
  onArrival?: (where: 'shown' | 'stored', seconds: number) => void
}

/**
 * Sends a marker into one partition after the other, at most one at a time, and sees where each of them is: settled by a
 * processor, in this gateway's live view, in the store. Nothing polls: the store is asked when it says that it has
 * written.
 */
export const createMarkers = (options: MarkerOptions) => {
  const { log, olap, reports, view, clock, gateway, partitions, intervalMs, onArrival } = options
  const [settled, shown, stored] = Array.from({ length: 3 }, () => createStage(partitions))
  const latency = createLatency(clock.monotonic)
  let number = 0
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let asking = false
  let askAgain = false

  const isAnybodyWaiting = (): boolean => ![settled, shown, stored].every((stage) => stage.isEmpty())

  const lookAtView = (): void => {
    if (shown.isEmpty() && settled.isEmpty()) return
    for (let partition = 0; partition < partitions; partition++) {
      const known = view.sequence(partition)
      settled.arrive(partition, ({ sequence }) => sequence <= known)
      for (const { at } of shown.arrive(partition, ({ sequence }) => sequence <= known)) {
        onArrival?.('shown', (clock.monotonic() - at) / 1_000)
      }
    }
  }

  const readBack = async (): Promise<void> => {
    const newest = await olap.markers(gateway)
    const now = clock.monotonic()
    for (const row of newest) {
      for (const { at } of stored.arrive(row.partition, (marker) => marker.number <= row.number)) {
        const seconds = (now - at) / 1_000
        latency.observe(seconds)
        onArrival?.('stored', seconds)
      }
    }
  }

  /** One question at a time, and one more when the store wrote during it. */
  const askStore = async (): Promise<void> => {
    askAgain = asking
    if (asking || stored.isEmpty()) return
    asking = true
    // A store that does not answer says so by its silence: the markers' age grows, and its next report asks again.
    await readBack().catch(() => undefined)
    asking = false
    if (askAgain) await askStore()
  }

  const onReport = (): void => {
    if (!isAnybodyWaiting()) return
    for (const report of reports.partitions()) {
      settled.arrive(report.partition, ({ sequence }) => sequence <= report.sequence)
    }
    void askStore()
  }

  const sendOne = async (): Promise<void> => {
    const mine = ++number
    const partition = mine % partitions
    const record = { kind: 'marker' as const, gateway, number: mine, sentAt: clock.now() }
    const sequence = await log.appendControl(partition, record, `marker-${gateway}-${mine}`)
    const marker = { partition, number: mine, sequence, at: clock.monotonic() }
    for (const stage of [settled, shown, stored]) stage.add(marker)
    lookAtView()
  }

  const sendOn = async (): Promise<void> => {
    const startedAt = clock.monotonic()
    // Without an acknowledgement there is nothing to measure from; the events that fail for the same reason are counted.
    await sendOne().catch(() => undefined)
    if (stopped) return
    timer = setTimeout(() => void sendOn(), Math.max(0, intervalMs - (clock.monotonic() - startedAt)))
    timer.unref()
  }

  const leave = [view.onAdvance(lookAtView), reports.onReport(onReport)]
  void sendOn()

  return {
    /** Seconds from the acknowledgement to the row, P99 of the last five minutes; null before the first. */
    latencyP99: (): number | null => latency.p99(stored.ages(clock.monotonic())),
    /** Seconds that the oldest marker has been on its way to each place; 0 when all have arrived. */
    oldest: () => {
      const now = clock.monotonic()
      return { settled: settled.oldest(now), shown: shown.oldest(now), stored: stored.oldest(now) }
    },
    stop(): void {
      stopped = true
      clearTimeout(timer)
      for (const one of leave) one()
    },
  }
}

export type Markers = ReturnType<typeof createMarkers>
