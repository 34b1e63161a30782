import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { findNatsServer } from '#infra/nats/binary.ts'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { startNatsServer } from '#infra/nats/server.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { cpuSeconds, peakRssMb } from '#scripts/lib/usage.ts'
import type { Bench } from '../bench.ts'
import { startLoad } from './load.ts'
import { measureMemory } from './memory.ts'
import { startProcessor } from './processor.ts'
import { buildState } from './state.ts'
import { watchCheckpoints } from './watch.ts'
import { writeState } from './write.ts'

const OPTIONS = {
  series: { value: 'N', help: 'live series, all partitions together [1,000,000]' },
  ids: { value: 'N', help: 'remembered identities, all partitions together [10,000,000]' },
  partitions: { value: 'N', help: 'all of them are taken over at once [8]' },
  'lease-ms': { value: 'MS', help: 'an owner that is silent for so long is dead [3,000]' },
  profile: { value: 'DIR', help: 'where the processor that takes over leaves a CPU profile' },
}

interface Sizes {
  series: number
  ids: number
  partitions: number
  leaseMs: number
  profile?: string
}

const seconds = (ms: number): number => Math.round(ms / 10) / 100

const measure = async (nats: Nats, url: string, sizes: Sizes, say: (line: string) => void) => {
  const { partitions, leaseMs } = sizes
  await ensureDeployment(nats, { partitions })
  say('building the state of a partition')
  const state = buildState({ series: Math.round(sizes.series / partitions), ids: Math.round(sizes.ids / partitions) })
  const memory = await measureMemory(state)
  say(
    `writing it ${partitions} times: ${state.segments.length} segments, ${state.series} series, ${state.ids} ids each`,
  )
  const bytes = await writeState(nats, partitions, state)
  say(`${Math.round(bytes / 1e6)} MB of segments; a first processor reads them`)

  const watch = await watchCheckpoints(nats, partitions)
  const load = startLoad(nats, partitions, state)
  const options = { url, partitions, leaseMs }
  const startedAt = performance.now()
  await using first = await startProcessor(options)
  await watch.allNewer()
  say(`it had a checkpoint of every partition ${seconds(performance.now() - startedAt)} s after its start`)
  await using second = await startProcessor({ ...options, profile: sizes.profile })
  watch.look()
  const cpuBefore = await cpuSeconds(second.pid)
  const killedAt = performance.now()
  process.kill(first.pid, 'SIGKILL')
  say('it was killed; a second one takes over')
  const times = (await watch.allNewer()).map((at) => at - killedAt).sort((a, b) => a - b)
  const cpu = (await cpuSeconds(second.pid)) - cpuBefore
  const maxRssMb = await peakRssMb(second.pid)
  await load.stop()
  await watch.stop()
  if (sizes.profile) await second.stop()
  return {
    series: state.series * partitions,
    ids: state.ids * partitions,
    partitions,
    leaseMs,
    segments: state.segments.length * partitions,
    stateMb: Math.round(bytes / 1e6),
    secondsToFirstCheckpoint: seconds(times[0]),
    secondsToAllPartitions: seconds(times[times.length - 1]),
    /** Of the one that took over, until all partitions were at work. */
    cpuSeconds: Math.round(cpu * 10) / 10,
    maxRssMb,
    ...memory,
    events: load.sent(),
    /** Of this machine: on a busy one seconds say little and cpuSeconds more. */
    loadAverage: Math.round(loadavg()[0]),
  }
}

/** Takes every partition over at once: the worst that one death can do. */
export const recoveryBench: Bench<keyof typeof OPTIONS> = {
  summary: 'seconds from kill -9 of the owner of all partitions to the first new checkpoint of each',
  options: OPTIONS,
  async run(args, say) {
    const sizes: Sizes = {
      series: args.whole('series', 1_000_000, 1, 100_000_000),
      ids: args.whole('ids', 10_000_000, 1, 1_000_000_000),
      partitions: args.whole('partitions', 8, 1, 64),
      leaseMs: args.whole('lease-ms', 3_000, 200, 600_000),
      profile: args.text('profile'),
    }
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
    const binary = await findNatsServer({ env: process.env, say })
    const server = await startNatsServer({ binary, dataDir, port: 0, env: process.env })
    const nats = await connectNats(server.url, 'millrace bench')
    try {
      const figures = await measure(nats, server.url, sizes, say)
      say(renderTable(Object.entries(figures)))
      return figures
    } finally {
      await nats.nc.close()
      await server.kill()
      await rm(dataDir, { recursive: true, force: true })
    }
  },
}
