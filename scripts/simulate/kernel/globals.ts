import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import type { Random } from '#scripts/demo/random.ts'
import { uuidV7 } from '#scripts/demo/random.ts'
import { currentProcess } from './process.ts'
import type { Scheduler, Task } from './scheduler.ts'

/** Wall clock of the simulation's beginning. */
export const BEGIN_MS = Date.UTC(2026, 4, 1, 12)

const REPLACED = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
] as const

/** A timer as Node's: code may unref it. */
interface Timer {
  task: Task
  unref(): Timer
  ref(): Timer
  hasRef(): boolean
}

const timerOf = (task: Task): Timer => {
  const timer: Timer = { task, unref: () => timer, ref: () => timer, hasRef: () => true }
  return timer
}

type Callback = (...args: unknown[]) => void

/**
 * Puts simulated time and seeded chance in the place of Node's, for everything that runs from now on: timers, clocks,
 * random ids. Answers what brings the real ones back.
 */
export const replaceGlobals = (scheduler: Scheduler, random: Random): (() => void) => {
  const target = globalThis as unknown as Record<string, unknown>
  const real = new Map<string, unknown>(REPLACED.map((name) => [name, target[name]]))
  const realNow = Date.now
  const realRandomUuid = crypto.randomUUID

  const after = (delayMs: number, run: () => void): Task =>
    currentProcess()?.after(delayMs, run) ?? scheduler.after(delayMs, run)
  const cancel = (timer: Timer | undefined): void => {
    if (timer) timer.task.cancelled = true
  }
  const every = (callback: Callback, delayMs: number, args: unknown[]): Timer => {
    const beat = (): void => {
      timer.task = after(delayMs, beat)
      callback(...args)
    }
    const timer: Timer = timerOf(after(delayMs, beat))
    return timer
  }

  target.setTimeout = (callback: Callback, delayMs = 0, ...args: unknown[]) =>
    timerOf(after(Math.max(1, delayMs), () => callback(...args)))
  target.setInterval = (callback: Callback, delayMs = 0, ...args: unknown[]) =>
    every(callback, Math.max(1, delayMs), args)
  target.setImmediate = (callback: Callback, ...args: unknown[]) => timerOf(after(0, () => callback(...args)))
  for (const name of ['clearTimeout', 'clearInterval', 'clearImmediate']) target[name] = cancel
  Date.now = () => Math.floor(BEGIN_MS + scheduler.now() + (currentProcess()?.skewMs ?? 0))
  performance.now = () => scheduler.now()
  crypto.randomUUID = (() => uuidV7(random, scheduler.now())) as typeof crypto.randomUUID
  syncBuiltinESMExports()

  return () => {
    for (const [name, value] of real) target[name] = value
    Date.now = realNow
    Reflect.deleteProperty(performance, 'now')
    crypto.randomUUID = realRandomUuid
    syncBuiltinESMExports()
  }
}
