import { Worker } from 'node:worker_threads'
import type { Outcome } from './run.ts'

const WORKER = new URL('./worker.ts', import.meta.url)

/**
 * Runs seeds from `first` on, on as many threads as there are workers, until there were `count` of them or `isEnough`
 * says so. Rejects when a thread ends by itself.
 */
export const runSeeds = async (options: {
  first: number
  count: number
  workers: number
  guard?: string
  onOutcome(outcome: Outcome): void
  isEnough?(): boolean
}): Promise<void> => {
  const { first, count, guard, onOutcome, isEnough = () => false } = options
  let next = first
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(WORKER, { workerData: { guard } })
      const end = (): void => {
        worker.removeAllListeners('exit')
        void worker.terminate().then(() => resolve())
      }
      const give = (): void => {
        if (next >= first + count || isEnough()) end()
        else worker.postMessage(next++)
      }
      worker.on('message', (outcome: Outcome) => {
        onOutcome(outcome)
        give()
      })
      worker.on('error', reject)
      worker.on('exit', (code) => reject(new Error(`a thread of the simulation ended with code ${code}`)))
      give()
    })
  await Promise.all(Array.from({ length: Math.min(options.workers, count) }, work))
}
