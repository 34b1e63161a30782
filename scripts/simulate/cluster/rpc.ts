import { currentProcess, type SimProcess } from '../kernel/process.ts'
import type { World } from './world.ts'

/**
 * A question from outside (an app, a dashboard, another process) to a process, as over HTTP: it rejects when the process
 * is dead, dies before it has answered, or when the answer gets lost.
 */
export const askProcess = <T>(world: World, target: SimProcess, question: () => Promise<T>): Promise<T> =>
  new Promise<T>((resolve, reject) => {
    const { scheduler, random } = world
    const delay = (): number => 0.2 + random.exponential(2)
    const asker = currentProcess()
    let over = false
    const settle = (outcome: () => void): void => {
      if (over) return
      over = true
      if (asker) asker.after(delay(), outcome)
      else scheduler.after(delay(), outcome)
    }
    const lost = (): void => settle(() => reject(new Error(`${target.name} is gone`)))
    target.onEnd(lost)
    scheduler.after(delay(), () => {
      if (!target.isAlive()) return lost()
      target.after(0, () => {
        question().then(
          (value) => settle(() => resolve(value)),
          (error: Error) => settle(() => reject(error)),
        )
      })
    })
  })
