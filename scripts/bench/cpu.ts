import { readFile } from 'node:fs/promises'

/** Of /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** Seconds of a core that a process has taken; null where the system does not tell. */
export const cpuSecondsOf = async (pid: number): Promise<number | null> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null)
  if (stat === null) return null
  // Behind the name, which may hold anything: fields 14 and 15 of the whole line.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}
