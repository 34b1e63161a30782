import type { SimProcess } from '../kernel/process.ts'
import type { World } from './world.ts'

/** A process of the product, composed as its main file does. */
export interface Member {
  process: SimProcess
  /** SIGTERM: orderly. */
  stop(): Promise<void>
}

/** Keeps one member running: starts it again after it ended, until it is told to stop. */
export const supervise = <T extends Member>(world: World, name: string, start: (name: string) => T) => {
  let count = 0
  let stopping = false
  let current: T
  const run = (): void => {
    current = start(`${name}.${++count}`)
    const { process } = current
    process.onEnd(() => {
      if (!stopping) world.scheduler.after(100 + world.random.exponential(1_500), run)
    })
  }
  run()
  return {
    name,
    current: (): T => current,
    async stop(): Promise<void> {
      stopping = true
      const { process } = current
      if (process.isAlive()) await process.run(() => current.stop())
    },
  }
}

export type Supervised<T extends Member> = ReturnType<typeof supervise<T>>
