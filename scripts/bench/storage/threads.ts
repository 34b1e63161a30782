import { readdir, readFile } from 'node:fs/promises'

/** Threads of a Node process by what they do: JavaScript, collecting garbage and compiling, DuckDB and files. */
export const THREADS = ['js', 'v8', 'workers'] as const
export type ThreadKind = (typeof THREADS)[number]
export type ThreadSeconds = Record<ThreadKind, number>

/** Of /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

const kindOf = (isMain: boolean, name: string): ThreadKind => {
  if (isMain) return 'js'
  return /^(V8|DelayedTask|Signal)/.test(name) ? 'v8' : 'workers'
}

/** What the threads of a process have used of processors so far, seconds; nothing where the system does not tell. */
export const threadSeconds = async (pid: number): Promise<ThreadSeconds> => {
  const seconds: ThreadSeconds = { js: 0, v8: 0, workers: 0 }
  const folder = `/proc/${pid}/task`
  for (const thread of await readdir(folder).catch(() => [])) {
    const stat = await readFile(`${folder}/${thread}/stat`, 'latin1').catch(() => null)
    if (stat === null) continue
    // The name stands in brackets and may hold anything; user and system time are the fields 14 and 15.
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    seconds[kindOf(thread === String(pid), name)] += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }
  return seconds
}

/** What was used between two looks. */
export const usedBetween = (before: ThreadSeconds, after: ThreadSeconds): ThreadSeconds => ({
  js: after.js - before.js,
  v8: after.v8 - before.v8,
  workers: after.workers - before.workers,
})
