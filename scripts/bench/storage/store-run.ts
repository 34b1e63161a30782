import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cpuSeconds, peakRssMb } from '#scripts/lib/usage.ts'
import type { FilledLog } from './filled-log.ts'
import { type ThreadSeconds, threadSeconds, usedBetween } from './threads.ts'

const MAIN = fileURLToPath(new URL('../../../infra/compose/storage.main.ts', import.meta.url))
/** Share of the events that goes before measuring: start, compiler. */
const WARM_UP = 0.25
const LOOK_MS = 100
/** A chunk of the archive is closed after so long: the whole log is archived soon after it was read. */
const ARCHIVE_MS = 3_000

/** Events that a run has stored and archived. */
interface Progress {
  stored: number
  archived: number
}

export interface StoreRun {
  /** That were measured. */
  events: Progress
  seconds: number
  storage: ThreadSeconds
  natsSeconds: number
  peakRssMb: number
  storeBytes: number
  archiveBytes: number
}

interface Options {
  log: FilledLog
  partitions: number
  archive: boolean
  /** Folder of a CPU profile. */
  profile?: string
}

/** A real storage process; resolves when it is ready. */
const startStorageProcess = async ({ log, partitions, archive, profile }: Options, data: string) => {
  const flags = [`--nats-url=${log.url}`, `--partitions=${partitions}`, `--data=${data}`, '--log-level=warn']
  const archiving = archive ? [`--archive-ms=${ARCHIVE_MS}`] : ['--archive=none']
  const execArgv = profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []
  const child = fork(MAIN, [...flags, ...archiving, '--admin-port=0'], {
    execArgv,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const failed = exited.then(() => Promise.reject(new Error('storage ended')))
  const [{ ports }] = (await Promise.race([once(child, 'message'), failed])) as [{ ports: { admin: number } }]
  failed.catch(() => undefined)
  return {
    pid: child.pid!,
    async metric(pattern: RegExp): Promise<number> {
      const answer = await fetch(`http://127.0.0.1:${ports.admin}/metrics`)
      return [...(await answer.text()).matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0)
    },
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill(profile ? 'SIGTERM' : 'SIGKILL')
      await exited
    },
  }
}

/** Stores the whole log in a new store and archive; all but its first part is measured. */
export const runStore = async (options: Options): Promise<StoreRun> => {
  const { log, archive } = options
  const data = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const { C, L, I } = log.outcomes
  const all: Progress = { stored: C, archived: archive ? C + L + I : 0 }
  try {
    await using storage = await startStorageProcess(options, data)
    const progress = async (): Promise<Progress> => ({
      stored: await storage.metric(/^millrace_stored_events_total (\d+)/gm),
      archived: await storage.metric(/^millrace_archived_rows_total\{.*\} (\d+)/gm),
    })
    const reaches = async (stored: number, archived: number): Promise<Progress> => {
      for (;;) {
        const reached = await progress()
        if (reached.stored >= stored && reached.archived >= archived) return reached
        await delay(LOOK_MS)
      }
    }
    const look = async () => ({
      at: performance.now(),
      nats: await cpuSeconds(log.pid),
      threads: await threadSeconds(storage.pid),
    })
    const started = await look()
    const reached = await reaches(all.stored * WARM_UP, 0)
    // A short log is one write: nothing of it is left to measure but all of it.
    const [warm, before] = reached.stored < all.stored ? [reached, await look()] : [{ stored: 0, archived: 0 }, started]
    await reaches(all.stored, all.archived)
    const after = await look()
    return {
      events: { stored: all.stored - warm.stored, archived: all.archived - warm.archived },
      seconds: (after.at - before.at) / 1_000,
      storage: usedBetween(before.threads, after.threads),
      natsSeconds: after.nats - before.nats,
      peakRssMb: await peakRssMb(storage.pid),
      storeBytes: await bytesOf(data),
      archiveBytes: await storage.metric(/^millrace_archive_bytes_total (\d+)/gm),
    }
  } finally {
    await rm(data, { recursive: true, force: true })
  }
}

/** The database and what waits in its write-ahead log. */
const bytesOf = async (data: string): Promise<number> => {
  const files = ['millrace.duckdb', 'millrace.duckdb.wal'].map((name) => join(data, 'olap', name))
  const sizes = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
