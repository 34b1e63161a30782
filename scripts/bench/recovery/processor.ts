import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../../infra/compose/processor.main.ts', import.meta.url))

interface Options {
  url: string
  partitions: number
  leaseMs: number
  /** Folder of a CPU profile. */
  profile?: string
}

/** A real processor; resolves when it is ready, which is before it owns anything. */
export const startProcessor = async ({ url, partitions, leaseMs, profile }: Options) => {
  const flags = [`--nats-url=${url}`, `--partitions=${partitions}`, `--lease-ms=${leaseMs}`, '--log-level=warn']
  const execArgv = profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []
  const child = fork(MAIN, flags, { execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const end = (signal: NodeJS.Signals) => async (): Promise<void> => {
    child.kill(signal)
    await exited
  }
  await Promise.race([once(child, 'message'), exited.then(() => Promise.reject(new Error('the processor ended')))])
  return { pid: child.pid!, stop: end('SIGTERM'), [Symbol.asyncDispose]: end('SIGKILL') }
}
