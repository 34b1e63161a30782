import { expect, test } from 'vitest'
import { connectNats } from '#infra/nats/connect.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { startTestCluster } from '#infra/testing/cluster.ts'
import { until } from '#infra/testing/until.ts'
import { logStream } from '#schema/subjects.ts'
import { openClient } from './fixtures/client.ts'
import { createWriter, lineOf, openKafka } from './fixtures/deployment.ts'

test('in a cluster each node may die: a consumer at the end of the log gets every frame once and in order', async () => {
  await using cluster = await startTestCluster()
  const nats = await connectNats(cluster.url, 'test')
  await until('streams are made', () => ensureDeployment(nats, { partitions: 1, replicas: 3 }).then(() => true))
  const writer = await createWriter(nats)
  const kafka = await openKafka(nats)
  using client = await openClient(kafka.port)

  const received: [offset: number, value: string | null][] = []
  let [offset, isOver] = [1, false]
  const follow = async (): Promise<void> => {
    while (!isOver) {
      const [{ error, batches }] = await client.fetch([{ topic: 'user_events', partition: 0, offset }], {
        maxWaitMs: 200,
      })
      // Another one than "ask again" would be a lie: nothing has gone.
      expect([0, 6]).toContain(error)
      for (const { from, to, value } of batches) {
        expect(from).toBe(offset)
        received.push([from, value])
        offset = to + 1
      }
    }
  }
  const following = follow()
  let sent = 0
  const write = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await until('a frame is taken', () => writer.frame(lineOf(`e${sent}`)))
      sent++
      const { last } = await until('the log tells its end', () => nats.broker.range(logStream(0)))
      await writer.commit({ to: last })
    }
  }
  await write(5)
  for (const node of [0, 1, 2]) {
    await cluster.kill(node)
    await write(5)
    await cluster.start(node)
    await write(5)
  }
  const { last } = await nats.broker.range(logStream(0))
  await until('all have come', () => offset > last)
  isOver = true
  await following

  const written: [number, string][] = []
  for await (const { seq, data } of nats.broker.batch(logStream(0), 1, 1_000)) {
    written.push([seq, new TextDecoder().decode(data)])
  }
  expect(received).toEqual(written)
  // A frame whose answer got lost was written again; each is there.
  expect(new Set(received.map(([, value]) => value)).size).toBe(sent)
  await kafka.close()
  await nats.nc.close()
}, 180_000)
