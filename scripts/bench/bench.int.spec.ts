import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const run = (...args: string[]) => {
  const child = spawnSync(process.execPath, [join(import.meta.dirname, 'bench.main.ts'), ...args], { encoding: 'utf8' })
  return { code: child.status, stdout: child.stdout, stderr: child.stderr }
}

it('measures what a gateway acknowledges, by protocol and size of requests', () => {
  const ways = ['--protocols=ndjson,grpc', '--batches=50', '--connections=4', '--seconds=1']
  const { code, stdout, stderr } = run('ingest', ...ways)
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('µs gateway') })
  const { figures } = JSON.parse(stdout)
  expect(figures.map(({ protocol, batch }: { protocol: string; batch: number }) => [protocol, batch])).toEqual([
    ['ndjson', 50],
    ['grpc', 50],
  ])
  for (const { acceptedPerSecond, p99Ms, gatewayUs, natsUs, refused } of figures) {
    for (const figure of [acceptedPerSecond, p99Ms, gatewayUs, natsUs]) expect(figure).toBeGreaterThan(0)
    expect(refused).toEqual({})
  }
  expect(run('ingest', '--protocols=smoke')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('graphql-batch'),
  })
  expect(run('ingest', '--batches=1,x').code).toBe(2)
}, 180_000)

it('measures the status of events, stored and not, and ends with a JSON line', () => {
  const { code, stdout, stderr } = run('event-status', '--rows=1000', '--questions=3')
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('just acknowledged') })
  const { times, ...rest } = JSON.parse(stdout)
  expect(rest).toMatchObject({ bench: 'event-status', rows: 1000, questions: 3, promisedMs: 200 })
  expect(Object.keys(times)).toHaveLength(4)
})

it('measures what a push costs, by the kind of window', () => {
  const { code, stdout, stderr } = run('windows', '--series=20', '--changed=5', '--ticks=2', '--minutes=3')
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('an hour by 1 min') })
  const { figures } = JSON.parse(stdout)
  const points = figures
    .filter(({ by }: { by: string }) => by === 'all')
    .map(({ push }: { push: { points: number } }) => push.points)
  // Each change is in one minute, in 60 hours that slide, in 1,440 days; of two measures.
  expect(points).toEqual([5, 300, 7_200, 5, 300, 7_200])
})

it('measures what a push of sessions costs, by how many there are', () => {
  const { code, stdout, stderr } = run('sessions', '--sessions=1000', '--changed=7', '--ticks=2')
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('1000 sessions') })
  const { figures } = JSON.parse(stdout)
  expect(figures.map(({ sessions }: { sessions: number }) => sessions)).toEqual([10, 100, 1_000])
  for (const { points } of figures) expect(points).toBeGreaterThanOrEqual(7)
})

it('measures a take-over of all partitions at once', () => {
  const sizes = ['--series=2000', '--ids=5000', '--partitions=2', '--lease-ms=500']
  const { code, stdout, stderr } = run('recovery', ...sizes)
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('it was killed') })
  const { ids, partitions, secondsToFirstCheckpoint, secondsToAllPartitions } = JSON.parse(stdout)
  expect({ ids, partitions }).toEqual({ ids: 5_000, partitions: 2 })
  expect(secondsToFirstCheckpoint).toBeGreaterThan(0)
  expect(secondsToAllPartitions).toBeGreaterThanOrEqual(secondsToFirstCheckpoint)
})

it('measures what an event costs the processor, by stage, in memory and through JetStream', () => {
  // A large shop takes a minute to open.
  const shop = ['--events=2000', '--shop-rate=200']
  const sizes = [...shop, '--rounds=1', '--stream-rounds=1', '--partitions=2', '--series=4000']
  const { code, stdout, stderr } = run('processor', ...sizes)
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('through JetStream') })
  const figures = JSON.parse(stdout)
  expect(figures).toMatchObject({ events: 2_000, metrics: 10, goals: { foldEventsPerCpuSecond: 400_000 } })
  expect(Object.keys(figures.stagesUs)).toEqual(['parse', 'duplicates', 'fold', 'checkpoint', 'publish'])
  expect(Object.keys(figures.growth)).toEqual(['series', 'partitions', 'metrics'])
  expect(figures.foldEventsPerCpuSecond).toBe(Math.round(1e6 / figures.foldUs.median))
  expect(figures.bytesPerId).toBeGreaterThan(20)
})

it('measures what an event costs storage, in DuckDB and in the archive', () => {
  const sizes = ['--events=2000', '--shop-rate=200', '--rounds=1', '--partitions=2']
  const { code, stdout, stderr } = run('storage', ...sizes)
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('DuckDB and archive') })
  const { outcomes, storeUs, archiveUs, archiveBytes } = JSON.parse(stdout)
  expect(outcomes.C + outcomes.D + outcomes.L).toBe(2_000)
  for (const { threads } of [storeUs, archiveUs]) expect(Object.keys(threads)).toEqual(['js', 'v8', 'workers'])
  expect(storeUs.median).toBeGreaterThan(0)
  expect(archiveBytes).toBeGreaterThan(0)
})

it('measures that one of several processors dies, comes back and stops', () => {
  const sizes = ['--series=200', '--ids=400', '--partitions=3', '--processors=2', '--lease-ms=600', '--rounds=1']
  const { code, stdout, stderr } = run('takeover', ...sizes)
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('gap ms') })
  const { kill, join, stop } = JSON.parse(stdout)
  expect([kill.times, join.times, stop.times]).toEqual([1, 2, 1])
  for (const { mostMoved, worstDoneMs, worstGapMs } of [kill, join, stop]) {
    expect(mostMoved).toBeGreaterThanOrEqual(1)
    expect(mostMoved).toBeLessThanOrEqual(2)
    expect(worstDoneMs).toBeGreaterThan(0)
    expect(worstGapMs).toBeGreaterThan(0)
  }
  expect(stop.worstExitMs).toBeGreaterThan(0)
})

it('measures what a Kafka consumer gets', () => {
  const { code, stdout, stderr } = run('kafka', '--frames=60', '--events=3', '--small=40', '--tail=3')
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('catching up') })
  const { catchUp, tail } = JSON.parse(stdout)
  expect(catchUp.map(({ records }: { records: number }) => records)).toEqual([60, 40])
  expect(tail).toMatchObject({ records: 3, p50Ms: expect.any(Number), p99Ms: expect.any(Number) })
})

it('measures what an event costs the gateway by GraphQL', () => {
  const { code, stdout, stderr } = run('graphql', '--rounds=1', '--seconds=1', '--connections=4')
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('trackEvents 200') })
  const { requestUs, singlePerSecond, singlePerSecondBySocket } = JSON.parse(stdout)
  expect(Object.keys(requestUs)).toHaveLength(7)
  expect(singlePerSecond).toBe(Math.round(1e6 / requestUs['trackEvents 1']))
  expect(singlePerSecondBySocket).toBe(Math.round(1e6 / requestUs['trackEvents 1 by WebSocket']))
})

it('measures what reading a metric costs the gateway', () => {
  const sizes = ['--rounds=1', '--seconds=1', '--connections=4', '--minutes=3', '--rate=20']
  const { code, stdout, stderr } = run('query', ...sizes)
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('distinct') })
  const { equal, distinct, equalBySocket, distinctBySocket } = JSON.parse(stdout)
  for (const { cpuUs } of [equal, distinct, equalBySocket, distinctBySocket]) expect(cpuUs).toBeGreaterThan(0)
})

it('measures range queries to the store while events are stored', () => {
  const { code, stdout, stderr } = run('ranges', '--askers=4', '--seconds=1', '--minutes=200', '--rate=50')
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('range queries') })
  const { answers, refused, p95Ms } = JSON.parse(stdout)
  expect(refused).toBe(0)
  expect(answers).toBeGreaterThan(0)
  expect(p95Ms).toBeGreaterThan(0)
})

it('measures what a push to a subscription costs the gateway', () => {
  const { code, stdout, stderr } = run('push', '--subscriptions=3', '--seconds=2', '--rate=50')
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('CPU µs a push') })
  const { equal, distinct } = JSON.parse(stdout)
  for (const { pushesPerSecond, p99Ms } of [equal, distinct]) {
    expect(pushesPerSecond).toBeGreaterThan(0)
    expect(p99Ms).toBeGreaterThan(0)
  }
})

it('says what there is to measure, and refuses what there is not', () => {
  expect(run('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('event-status: ') })
  expect(run('nothing')).toMatchObject({ code: 2, stderr: expect.stringContaining('event-status') })
  expect(run('event-status', '--rows=some').code).toBe(2)
  // Before anything is measured that could then not be written.
  expect(run('e2e', '--report=/no/such/folder/report.html')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--report: '),
  })
})
