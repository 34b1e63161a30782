import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DruidStore, startDruidStore } from '#infra/druid/fixtures/druid-store.ts'
import { noDruid } from '#infra/testing/druid.ts'
import { T0 } from '#processors/storage/fixtures.ts'
import { questionsFor } from './fixtures/questions.ts'
import { ANSWERS, shopPart } from './fixtures/shop.ts'

describe.skipIf(noDruid)('the usual questions of docs/analysts.md in Druid', async () => {
  let druid: DruidStore
  let shop: Awaited<ReturnType<DruidStore['open']>>
  beforeAll(async () => {
    druid = await startDruidStore()
    shop = await druid.open(() => T0)
    await shop.olap.write({ parts: [shopPart()] })
  })
  afterAll(async () => {
    await shop?.remove()
    await druid?.[Symbol.asyncDispose]()
  })

  const questions = await questionsFor('druid')

  it('are all there', () => {
    expect(questions.map(([question]) => question)).toEqual(Object.keys(ANSWERS))
  })

  it.each(questions)('%s', async (question, sql) => {
    const { rows } = await druid.sql(sql.replaceAll(`'main'`, `'${shop.nameOf('main')}'`))
    // A count of a sketch is an estimate: of two, two and a little.
    const whole = rows.map((row) =>
      row.map((cell) => (question === 'users' && typeof cell === 'number' ? Math.round(cell) : cell)),
    )
    expect(whole).toEqual(ANSWERS[question])
  })
})
