import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type PackedAggregates, unpackAggregates } from '#infra/olap/packed.ts'
import { olapContract } from '#processors/storage/olap-writer.contract.ts'
import type { OlapReader } from '#schema/olap.ts'
import { createDuckDbOlap } from './olap.ts'

const logger = { info() {}, warn() {}, error() {} }

/** Rows as they are, held against what is packed of the range and of each of its windows, twice: the second is known. */
const aggregatesOf =
  (olap: Awaited<ReturnType<typeof createDuckDbOlap>>): OlapReader['aggregates'] =>
  async (query) => {
    const answer = await olap.aggregates(query)
    const packed = async (from: number, to: number) =>
      unpackAggregates(query, JSON.parse(await olap.packedAggregates({ ...query, from, to })) as PackedAggregates)
    expect(await packed(query.from, query.to)).toEqual(answer)
    const { size } = query
    for (const at of new Set(answer.rows.map(({ start }) => start))) {
      const rows = answer.rows.filter(({ start }) => start === at)
      const whole = Math.floor(at / size) * size
      expect(await packed(whole, whole + size)).toEqual({ rows, positions: answer.positions })
      expect(await packed(whole - size, whole + size)).toMatchObject({ positions: answer.positions })
      expect(await packed(whole, whole + size)).toEqual({ rows, positions: answer.positions })
    }
    return answer
  }

olapContract('DuckDB', async (now) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-olap-'))
  const olap = await createDuckDbOlap({ folder, partitions: 2, logger, now })
  return {
    olap: { ...olap, aggregates: aggregatesOf(olap) },
    async remove() {
      await olap.close()
      await rm(folder, { recursive: true })
    },
  }
})
