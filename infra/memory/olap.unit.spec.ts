import { beforeEach } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import { correctionsContract } from '#processors/storage/corrections.contract.ts'
import { deltasContract } from '#processors/storage/deltas.contract.ts'
import { measuresContract } from '#processors/storage/measures.contract.ts'
import { sessionsContract, sessionWritesContract } from '#processors/storage/sessions.contract.ts'
import { createMemoryOlap } from './olap.ts'
import { createMemoryTables } from './tables.ts'

let olap: OlapWriter
beforeEach(() => {
  olap = createMemoryOlap(createMemoryTables(2))
})

deltasContract('the store in memory', () => olap)
measuresContract('the store in memory', () => olap)
sessionsContract('the store in memory', () => olap)
sessionWritesContract('the store in memory', () => olap)
correctionsContract('the store in memory', () => olap)
