import { expect, test } from 'vitest'
import { startTestNats } from '#infra/testing/nats.ts'
import { until } from '#infra/testing/until.ts'
import type { PartitionShedding } from '#schema/shedding.ts'
import { connectNats } from './connect.ts'
import { ensureDeployment } from './setup.ts'
import { createSheddingStore } from './shedding.ts'

const decision = (epoch: number, share: number): PartitionShedding => ({
  partition: 1,
  owner: `owner-${epoch}`,
  epoch,
  tenants: [{ tenant: 'main', share, since: 1, reason: 'behind' }],
  at: 2,
})

test('every gateway hears what an owner decides, one that starts later knows it, and a former owner changes nothing', async () => {
  await using server = await startTestNats()
  const nats = await connectNats(server.url, 'test')
  await using _closing = { [Symbol.asyncDispose]: () => nats.close() }
  await ensureDeployment(nats, { partitions: 2 })
  const [owner, gateway] = [await createSheddingStore(nats.broker), await createSheddingStore(nats.broker)]
  const heard: number[] = []
  gateway.onDecision(({ tenants }) => heard.push(tenants[0].share))
  expect([owner.last(1), gateway.decisions()]).toEqual([undefined, []])
  await owner.publish(decision(3, 0.5))
  await owner.publish(decision(3, 0.25))
  await owner.publish(decision(2, 0.125))
  await until('the gateway has heard of both', () => heard.length >= 2)
  await owner.publish(decision(4, 0.5))
  await until('the gateway has heard of the next owner', () => gateway.decisions()[0]?.epoch === 4)
  expect(heard.at(-1)).toBe(0.5)
  expect(heard).not.toContain(0.125)

  const later = await createSheddingStore(nats.broker)
  expect(later.decisions()).toEqual([decision(4, 0.5)])
  expect(later.last(1)).toEqual(decision(4, 0.5))
  for (const store of [owner, gateway, later]) store.stop()
})
