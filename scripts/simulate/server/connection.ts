import type { Random } from '#scripts/demo/random.ts'
import type { SimProcess } from '../kernel/process.ts'
import type { Scheduler } from '../kernel/scheduler.ts'
import type { SimServer } from './server.ts'

/** How bad a connection is now. */
export interface Weather {
  /** Milliseconds that a message takes at least, and on top of it at random (exponential). */
  delayMs: number
  jitterMs: number
  /** Share of answers that get lost although the request was carried out. */
  lostAnswers: number
  /** Share of batches that the server refuses although nothing is wrong with them (10199, 10210). */
  refusals: number
  /** Share of consumers that fall silent at some message. */
  silences: number
}

export const FAIR: Weather = { delayMs: 0.2, jitterMs: 1, lostAnswers: 0, refusals: 0, silences: 0 }

/** What waits for a connection that is cut, as the client buffers it. */
interface Waiting {
  send(): void
}

const never = <T>(): Promise<T> => new Promise(() => undefined)

/** The TCP connection of one process to the server, as its client library shows it. */
export const createConnection = (
  server: SimServer,
  process: SimProcess,
  scheduler: Scheduler,
  random: Random,
  weather: Weather,
) => {
  let cut = false
  let epoch = 0
  let lastArrival = 0
  let buffered: Waiting[] = []
  const backListeners = new Set<() => void>()

  const isUp = (): boolean => !cut && server.isRunning()
  const delay = (): number => weather.delayMs + random.exponential(weather.jitterMs)
  /** Writes of one connection arrive in the order in which they were sent; other requests at any time. */
  const arrival = (ordered: boolean): number => {
    const at = scheduler.now() + delay()
    if (!ordered) return at - scheduler.now()
    lastArrival = Math.max(at, lastArrival + 0.001)
    return lastArrival - scheduler.now()
  }

  /** Arrives at the server, unless the connection or the server goes meanwhile. What has been sent needs no sender. */
  const deliver = (ordered: boolean, apply: () => void): void => {
    const sentIn = epoch
    const life = server.life()
    scheduler.after(arrival(ordered), () => {
      if (sentIn !== epoch || life !== server.life() || !isUp()) return
      apply()
    })
  }

  const send = (ordered: boolean, apply: () => void): void => {
    if (isUp()) deliver(ordered, apply)
    // The client writes it when it is connected again, long after who asked has given up.
    else if (random.chance(0.7)) buffered.push({ send: () => deliver(ordered, apply) })
  }

  /** To the process, unless the connection goes meanwhile. */
  const answer = (apply: () => void): void => {
    const sentIn = epoch
    process.after(delay(), () => {
      if (sentIn === epoch && isUp()) apply()
    })
  }

  /** A request with an answer. Rejects when there is none in time; then nobody knows. */
  const ask = <T>(apply: () => T, timeoutMs: number, ordered = false): Promise<T> => {
    if (!process.isAlive()) return never()
    return new Promise<T>((resolve, reject) => {
      const timer = process.after(timeoutMs, () => reject(new Error('timeout')))
      const settle = (outcome: () => void): void => {
        if (random.chance(weather.lostAnswers)) return
        answer(() => {
          timer.cancelled = true
          outcome()
        })
      }
      send(ordered, () => {
        try {
          const value = apply()
          settle(() => resolve(value))
        } catch (error) {
          settle(() => reject(error as Error))
        }
      })
    })
  }

  const flush = (): void => {
    if (!isUp()) return
    epoch++
    const waiting = buffered
    buffered = []
    for (const one of waiting) one.send()
    for (const listener of [...backListeners]) listener()
  }

  return {
    process,
    weather,
    now: scheduler.now,
    isUp,
    delay,
    ask,
    send,
    /** Grows with every new connection: what was under way in a former one is lost. */
    epoch: (): number => epoch,
    cut(): void {
      cut = true
      epoch++
    },
    mend(): void {
      cut = false
      flush()
    },
    /** The server is back. */
    reconnect: flush,
    onBack(listener: () => void): () => void {
      backListeners.add(listener)
      return () => backListeners.delete(listener)
    },
  }
}

export type Connection = ReturnType<typeof createConnection>
