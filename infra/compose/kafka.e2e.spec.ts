import { expect, test } from 'vitest'
import { openClient } from '#infra/kafka/fixtures/client.ts'
import { startProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'
import type { EventLine } from '#schema/event.ts'

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1))

test('events that were sent are read by the protocol of Kafka, also after the server was killed', async () => {
  await using product = await startProduct({ flags: ['--kafka-port=0', '--partitions=2'] })
  const { endpoints, keys } = product
  expect(product.terminal()).toContain(`Kafka        ${endpoints.kafka}`)
  const port = portOf(endpoints.kafka!)
  let sent = 0
  const send = async (count: number): Promise<void> => {
    const events = Array.from({ length: count }, () => ({ id: `e${sent++}`, name: 'view', sessionId: `s${sent % 5}` }))
    const response = await fetch(endpoints.collector, {
      method: 'POST',
      headers: { authorization: `Bearer ${keys.writeKey}` },
      body: JSON.stringify(events),
    })
    expect(response.status).toBe(200)
  }
  const readIds = async (): Promise<string[]> => {
    using client = await openClient(port)
    const { topics } = await client.metadata(['user_events'])
    const parts = topics[0].partitions.map(async ({ id }) => {
      const { offset } = await client.listOffset('user_events', id, -2)
      return client.readAll('user_events', offset, id)
    })
    const values = (await Promise.all(parts)).flat().flatMap(([, value]) => value.split('\n'))
    return values.map((line) => (JSON.parse(line) as EventLine).e.id).sort()
  }
  const expected = () => Array.from({ length: sent }, (_, i) => `e${i}`).sort()
  const areAllThere = async (): Promise<boolean> => JSON.stringify(await readIds()) === JSON.stringify(expected())

  await send(50)
  await until('they are there', areAllThere)
  process.kill(product.pids().kafka, 'SIGKILL')
  await send(50)
  await until('all are there, at the same address', areAllThere)
  await product.shows('kafka is back')
  expect(await product.stop()).toBe(0)
})
