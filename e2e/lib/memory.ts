import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Resident memory of a process, bytes. */
export const residentBytes = async (pid: number): Promise<number> => {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)])
  return Number(stdout) * 1_024
}

/** The most that a process has from now on, as far as is seen ten times a second. */
export const watchMemory = (pid: number) => {
  let most = 0
  const timer = setInterval(async () => {
    most = Math.max(most, await residentBytes(pid).catch(() => 0))
  }, 100)
  return { mostBytes: () => most, [Symbol.dispose]: () => clearInterval(timer) }
}
