import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
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

/** What a process has used of processors so far, seconds; 0 where the system does not tell. */
export const cpuSeconds = async (pid: number): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // User and system time, the 14th and 15th field, in hundredths of a second; the second may hold spaces.
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return (user + system) / 100
}

/** Highest resident memory of a process so far, megabytes; 0 where the system does not tell. */
export const peakRssMb = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Math.round(Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1_000)
}
