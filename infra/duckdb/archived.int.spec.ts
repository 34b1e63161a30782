import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { HOUR, MINUTE, T0 } from '#processors/storage/fixtures.ts'
import { receivedMinute } from '#schema/ledger.ts'
import { RETENTION } from '#schema/limits.ts'
import { createDuckDbOlap } from './olap.ts'

let folder: string
let olap: Awaited<ReturnType<typeof createDuckDbOlap>>
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-archived-'))
  const logger = { info() {}, warn() {}, error() {} }
  olap = await createDuckDbOlap({ folder, partitions: 2, logger, now: () => T0 })
})
afterEach(async () => {
  await olap.close()
  await rm(folder, { recursive: true })
})

const archived = async (tenant = 'main'): Promise<number> =>
  (await olap.ledger({ tenant, from: T0, to: T0 + MINUTE, settledUntil: null })).archived
const counted = (tenant: string, events: number, at = T0) => ({ tenant, minute: receivedMinute(at), events })

it('counts each chunk of the archive once, by tenant and minute, and keeps its counts as long as the books', async () => {
  const first = {
    partition: 0,
    to: 10,
    counted: [counted('main', 3), counted('other', 5), counted('main', 9, T0 + HOUR)],
  }
  await olap.writeArchived(first)
  await olap.writeArchived(first)
  expect([await archived(), await archived('other')]).toEqual([3, 5])
  await olap.writeArchived({ partition: 1, to: 4, counted: [counted('main', 2)] })
  await olap.writeArchived({ partition: 0, to: 20, counted: [counted('main', 4)] })
  await olap.writeArchived({ partition: 0, to: 15, counted: [counted('main', 4)] })
  expect(await archived()).toBe(9)
  await olap.maintain(T0)
  expect(await archived()).toBe(9)
  await olap.maintain(T0 + RETENTION.ledger + HOUR)
  expect(await archived()).toBe(0)
})
