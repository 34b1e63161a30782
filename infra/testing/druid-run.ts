import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { stopDruid } from '../druid/local/start.ts'

/** Where the Druid of this run of tests is, and whose end ends it. */
interface DruidRun {
  folder: string
  owner: number
}

declare module 'vitest' {
  interface ProvidedContext {
    druid: DruidRun
  }
}

/** Of the whole run: the first file that needs Druid boots it (druid.ts), all others find it; here it ends. */
export default ({ provide }: TestProject) => {
  const folder = join(tmpdir(), `millrace-druid-${process.pid}`)
  provide('druid', { folder, owner: process.pid })
  return async () => {
    await stopDruid(folder, { atOnce: true })
    await rm(folder, { recursive: true, force: true })
  }
}
