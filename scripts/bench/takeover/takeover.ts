import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { findNatsServer } from '#infra/nats/binary.ts'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { startNatsServer } from '#infra/nats/server.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { renderTable } from '#scripts/lib/table.ts'
import type { Bench } from '../bench.ts'
import { startLoad } from '../recovery/load.ts'
import { startProcessor } from '../recovery/processor.ts'
import { buildState } from '../recovery/state.ts'
import { writeState } from '../recovery/write.ts'
import { type Changes, evenly, watchChanges } from './changes.ts'

const OPTIONS = {
  partitions: { value: 'N', help: 'partitions, with 50 events every 100 ms in each [8]' },
  processors: { value: 'N', help: 'processors that share them [3]' },
  series: { value: 'N', help: 'live series, all partitions together [40,000]' },
  ids: { value: 'N', help: 'remembered identities, all partitions together [400,000]' },
  'lease-ms': { value: 'MS', help: 'an owner that is silent for so long is dead [3,000]' },
  rounds: { value: 'N', help: 'so often each of kill, join, stop [3]' },
}

interface Sizes {
  partitions: number
  processors: number
  series: number
  ids: number
  leaseMs: number
  rounds: number
}

interface Measured {
  moved: number
  /** From the event to the first checkpoint of the last partition that moved; of a join it begins to move at `leaseMs`. */
  doneMs: number
  /** Longest time without a checkpoint in any partition that moved. */
  gapMs: number
  /** Of a stop: until the process was gone. */
  exitMs?: number
}

type Kind = 'kill' | 'join' | 'stop'
type Processor = Awaited<ReturnType<typeof startProcessor>>

const measureOne = async (changes: Changes, action: () => Promise<readonly number[]>): Promise<Measured> => {
  changes.take()
  const since = performance.now()
  await evenly(changes, await action())
  const moved = changes.take()
  return {
    moved: moved.length,
    doneMs: Math.round(Math.max(0, ...moved.map(({ firstAt }) => firstAt - since))),
    gapMs: Math.round(Math.max(0, ...moved.map(({ firstAt, lastAt }) => firstAt - lastAt))),
  }
}

/** Kill, join and stop, one after the other, so often; the processors are what is there at the end. */
const measureAll = async (
  changes: Changes,
  processors: Processor[],
  begin: () => Promise<Processor>,
  rounds: number,
) => {
  const pids = (): number[] => processors.map(({ pid }) => pid)
  const join = async () => {
    processors.push(await begin())
    return pids()
  }
  const results: Record<Kind, Measured[]> = { kill: [], join: [], stop: [] }
  for (let round = 0; round < rounds; round++) {
    const victim = processors.shift()
    results.kill.push(
      await measureOne(changes, async () => {
        process.kill(victim?.pid ?? 0, 'SIGKILL')
        return pids()
      }),
    )
    results.join.push(await measureOne(changes, join))
    const leaving = processors.shift()
    let exitMs = 0
    const stopped = await measureOne(changes, async () => {
      const since = performance.now()
      void leaving?.stop().then(() => {
        exitMs = Math.round(performance.now() - since)
      })
      return pids()
    })
    results.stop.push({ ...stopped, exitMs })
    results.join.push(await measureOne(changes, join))
  }
  return results
}

const worst = (results: readonly Measured[], of: (one: Measured) => number): number => Math.max(...results.map(of))

const run = async (nats: Nats, url: string, sizes: Sizes, say: (line: string) => void) => {
  const { partitions, leaseMs } = sizes
  await ensureDeployment(nats, { partitions })
  const state = buildState({ series: Math.round(sizes.series / partitions), ids: Math.round(sizes.ids / partitions) })
  const bytes = await writeState(nats, partitions, state)
  say(`${state.series} series and ${state.ids} ids in each partition, ${Math.round(bytes / 1e6)} MB in all`)
  const changes = await watchChanges(nats, partitions)
  const load = startLoad(nats, partitions, state)
  const started: Processor[] = []
  const begin = async (): Promise<Processor> => {
    const processor = await startProcessor({ url, partitions, leaseMs })
    started.push(processor)
    return processor
  }
  try {
    const processors = await Promise.all(Array.from({ length: sizes.processors }, begin))
    await evenly(
      changes,
      processors.map(({ pid }) => pid),
    )
    say(`${sizes.processors} processors are at work in even shares`)
    return await measureAll(changes, processors, begin, sizes.rounds)
  } finally {
    await Promise.all(started.map((one) => one[Symbol.asyncDispose]()))
    await load.stop()
    await changes.stop()
  }
}

const summarize = (results: Record<Kind, Measured[]>) =>
  Object.fromEntries(
    Object.entries(results).map(([kind, all]) => [
      kind,
      {
        times: all.length,
        mostMoved: worst(all, ({ moved }) => moved),
        worstDoneMs: worst(all, ({ doneMs }) => doneMs),
        worstGapMs: worst(all, ({ gapMs }) => gapMs),
        ...(kind === 'stop' ? { worstExitMs: worst(all, ({ exitMs = 0 }) => exitMs) } : {}),
      },
    ]),
  )

/** What it costs that processors come and go. */
export const takeoverBench: Bench<keyof typeof OPTIONS> = {
  summary: 'time until partitions are at work again after kill -9, clean stop and join of one processor of several',
  options: OPTIONS,
  async run(args, say) {
    const sizes: Sizes = {
      partitions: args.whole('partitions', 8, 1, 64),
      processors: args.whole('processors', 3, 2, 16),
      series: args.whole('series', 40_000, 1, 100_000_000),
      ids: args.whole('ids', 400_000, 1, 1_000_000_000),
      leaseMs: args.whole('lease-ms', 3_000, 200, 600_000),
      rounds: args.whole('rounds', 3, 1, 1_000),
    }
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
    const binary = await findNatsServer({ env: process.env, say })
    const server = await startNatsServer({ binary, dataDir, port: 0, env: process.env })
    const nats = await connectNats(server.url, 'millrace bench')
    try {
      const figures = summarize(await run(nats, server.url, sizes, say))
      const rows = Object.entries(figures).map(([kind, one]) => [kind, ...Object.values(one)])
      say(renderTable([['', 'times', 'moved', 'done ms', 'gap ms', 'exit ms'], ...rows]))
      return { ...sizes, ...figures, loadAverage: Math.round(loadavg()[0]) }
    } finally {
      await nats.nc.close()
      await server.kill()
      await rm(dataDir, { recursive: true, force: true })
    }
  },
}
