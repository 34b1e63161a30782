import { parentPort, workerData } from 'node:worker_threads'
import { mutate } from './mutate.ts'
import { MUTATIONS } from './mutations.ts'

/** Runs the seeds that it is sent, one after the other; `workerData.guard` names the guard that is taken away. */
const { guard } = workerData as { guard?: string }
const mutation = MUTATIONS.find((one) => one.guard === guard)
if (mutation) mutate(mutation)
// After the mutation: what is imported before it is not changed.
const { runSeed } = await import('./run.ts')
parentPort!.on('message', (seed: number) => {
  void runSeed(seed).then((outcome) => parentPort!.postMessage(outcome))
})
