import { AsyncLocalStorage } from 'node:async_hooks'
import type { Random } from '#scripts/demo/random.ts'
import type { Scheduler, Task } from './scheduler.ts'

/** A process that can be killed and stopped. What it started (timers, answers it waits for) belongs to it. */
export interface SimProcess {
  readonly name: string
  /** Its wall clock is off by so much, milliseconds. */
  readonly skewMs: number
  isAlive(): boolean
  /** Runs `body` as this process: all that it starts is this process's. */
  run<T>(body: () => T): T
  /** After a delay, as this process; never when it is dead by then, when it goes on when it is stopped. */
  after(delayMs: number, run: () => void): Task
  /** SIGKILL: nothing of it happens any more. */
  kill(): void
  onEnd(listener: () => void): void
  /** SIGSTOP and SIGCONT. */
  stop(): void
  goOn(): void
}

const current = new AsyncLocalStorage<SimProcess>()
/** Whose code runs now; undefined for the simulation's own. */
export const currentProcess = (): SimProcess | undefined => current.getStore()

export const createProcess = (scheduler: Scheduler, random: Random, name: string, skewMs: number): SimProcess => {
  let alive = true
  let stopped = false
  let held: (() => void)[] = []
  const endListeners: (() => void)[] = []

  const perform = (task: () => void): void => {
    if (!alive) return
    if (stopped) held.push(task)
    else current.run(process, task)
  }

  const process: SimProcess = {
    name,
    skewMs,
    isAlive: () => alive,
    run: (body) => current.run(process, body),
    after: (delayMs, run) => {
      const task = scheduler.after(delayMs, () => perform(() => !task.cancelled && run()))
      return task
    },
    kill() {
      if (!alive) return
      alive = false
      held = []
      for (const listener of endListeners) listener()
    },
    onEnd: (listener) => void endListeners.push(listener),
    stop() {
      stopped = true
    },
    goOn() {
      stopped = false
      const tasks = held
      held = []
      // What had become due meanwhile comes in any order: a timer may be seen to have run out before the answer that
      // it was waiting for is read.
      for (const task of tasks) scheduler.after(random.next() * 2, () => perform(task))
    },
  }
  return process
}
