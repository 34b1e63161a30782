import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import type { TestProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'

const MAIN = fileURLToPath(new URL('../../scripts/archive/archive.main.ts', import.meta.url))

/** `npm run archive` as a user runs it: the last line that it prints, and all that it says. */
export const runArchive = async ({ dataDir }: TestProduct, ...args: string[]) => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, ...args, `--data=${dataDir}`])
  return { ...JSON.parse(stdout.trim().split('\n').at(-1) as string), stderr }
}

/** Waits until so many counted events are archived; every line must be in exactly one file, as the log has it. */
export const expectArchived = async (product: TestProduct, events: number) => {
  const verified = await until('all of it is archived', async () => {
    const result = await runArchive(product, 'verify', '--json')
    return result.behind === 0 && result.events >= events && result
  })
  expect(verified).toMatchObject({
    events,
    invalid: 0,
    checked: verified.rows,
    missing: 0,
    duplicated: 0,
    wrong: 0,
    damaged: 0,
    lost: 0,
    findings: [],
  })
  return verified
}
