import { expect, test } from 'vitest'
import { connectNats } from '#infra/nats/connect.ts'
import { ask } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'
import { STATE_FORMAT } from '#schema/checkpoint.ts'
import { HEAD_KEY, stateBucket } from '#schema/subjects.ts'
import { start } from './lib/start.ts'
import { track } from './lib/track.ts'

interface Partition {
  partition: number
  idle: boolean
  holdsBack: boolean
  heldBy: string | null
}
interface Pipeline {
  partitions: Partition[]
  heldBackBy: string[]
}
const PIPELINE = '{ pipeline { heldBackBy partitions { partition idle holdsBack heldBy } } }'
const pipeline = async (product: TestProduct): Promise<Pipeline> =>
  (await ask<{ pipeline: Pipeline }>(product, PIPELINE)).pipeline

/** Waits until this is said of some partition. `meanwhile`: what is done before each look. */
const says = (product: TestProduct, words: RegExp, meanwhile = async (): Promise<unknown> => undefined) =>
  until(`the pipeline says ${words}`, async () => {
    await meanwhile()
    const said = (await pipeline(product)).partitions.map(({ heldBy }) => heldBy ?? '')
    if (!said.some((one) => words.test(one))) throw new Error(said.join('\n'))
    return true
  })

test('the pipeline tells why a watermark does not move, in words', async () => {
  const flags = ['--partitions=2', '--idle-ms=2000']
  await using product = await start({ flags })
  let count = 0
  const send = async (sessionId: string, time = Date.now()): Promise<string> => {
    const id = `e${count++}`
    const event = { id, name: 'page_view', sessionId, time: new Date(time).toISOString() }
    const properties = { path: '/', method: 'GET', status: 200, bytes: 1 }
    await track(product, [{ ...event, properties }])
    return id
  }
  await says(product, /^no event has come to this partition$/)

  // Said for as long as events come: then the partition is idle.
  await says(product, /^event e\d+ \(page_view, key alice\) of .* in frame \d+ pushed it, less 5 s$/, () =>
    send('alice'),
  )
  await says(product, /in the future: .* pushed nobody: 1 event, up to 2 h ahead$/, () =>
    send('alice', Date.now() + 7_200_000),
  )

  await says(product, /^idle, no event since .*, and so is every partition: moves on with the wall clock/)

  // Sessions until one lies in the other partition; then only the first goes on.
  for (let i = 0; (await pipeline(product)).partitions.some(({ heldBy }) => heldBy?.startsWith('no event')); i++) {
    await send(`session-${i}`)
  }
  const followed = await until('one partition follows the other', async () => {
    await send('alice')
    const seen = await pipeline(product)
    const [idle, active] = seen.partitions.toSorted((a, b) => Number(b.idle) - Number(a.idle))
    return idle.idle && !active.idle && { idle, active, heldBackBy: seen.heldBackBy }
  })
  expect(followed.idle.heldBy).toContain(
    `follows partition ${followed.active.partition}, whose clock is the lowest active one`,
  )
  expect([followed.active.holdsBack, followed.idle.holdsBack]).toEqual([true, false])
  expect(followed.heldBackBy).toEqual([
    expect.stringMatching(
      `^live: partition ${followed.active.partition} at .*; idle: partition ${followed.idle.partition}$`,
    ),
  ])

  process.kill(product.pids().processor, 'SIGSTOP')
  await says(product, /^no processor owns the partition: the last one reported at /)
  process.kill(product.pids().processor, 'SIGCONT')
})

test('state of a newer version stops its partition and nothing else, and everybody is told', async () => {
  await using product = await start({ flags: ['--partitions=2'] })
  const pid = product.pids().processor
  const nats = await connectNats(product.endpoints.nats, 'e2e')
  const bucket = await nats.kvm.open(stateBucket(0))
  const head = await until('the partition has a head', async () => (await bucket.get(HEAD_KEY)) ?? undefined)
  await bucket.put(HEAD_KEY, JSON.stringify({ ...head.json<object>(), format: STATE_FORMAT + 1 }))
  await nats.nc.close()

  const refusal = `state of partition 0 has format ${STATE_FORMAT + 1}; this version reads up to ${STATE_FORMAT}: start the newer version`
  await product.shows(`processor: partition 0 is refused: ${refusal}`)
  await until('the pipeline says so', async () => {
    const [first] = (await pipeline(product)).partitions
    return first.heldBy === `no processor can own the partition: ${refusal}`
  })
  const admin = /"admin":(\d+)/.exec((await product.logs()).split('--- processor').at(-1) ?? '')?.[1]
  const ready = await fetch(`http://127.0.0.1:${admin}/readyz`)
  expect([ready.status, await ready.text()]).toEqual([503, `partition 0 is refused: ${refusal}\n`])
  expect(product.pids().processor).toBe(pid)
})
