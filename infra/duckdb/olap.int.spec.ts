import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { olapContract } from '#processors/storage/olap-writer.contract.ts'
import { createDuckDbOlap } from './olap.ts'

const logger = { info() {}, warn() {}, error() {} }

olapContract('DuckDB', async (now) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-olap-'))
  const olap = await createDuckDbOlap({ folder, partitions: 2, logger, now })
  return {
    olap,
    async remove() {
      await olap.close()
      await rm(folder, { recursive: true })
    },
  }
})
