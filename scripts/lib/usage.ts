import { readFile } from 'node:fs/promises'

/** Of /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** What a process has used of processors so far, seconds; null where the system does not tell. */
export const cpuSecondsOf = async (pid: number): Promise<number | null> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null)
  if (stat === null) return null
  // Behind the name, which may hold anything: user and system time, fields 14 and 15 of the whole line.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** The same; 0 where the system does not tell. */
export const cpuSeconds = async (pid: number): Promise<number> => (await cpuSecondsOf(pid)) ?? 0

const memoryMb = async (pid: number, field: RegExp): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '')
  return Math.round(Number(field.exec(status)?.[1] ?? 0) / 1_000)
}

/** Resident memory of a process, megabytes; 0 where the system does not tell. */
export const rssMb = (pid: number): Promise<number> => memoryMb(pid, /^VmRSS:\s+(\d+) kB/m)

/** Its highest so far. */
export const peakRssMb = (pid: number): Promise<number> => memoryMb(pid, /^VmHWM:\s+(\d+) kB/m)
