import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type ProductOptions, startProduct, type TestProduct } from '#infra/testing/product.ts'

/** A folder that goes when the test has ended. */
export const temporaryFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-e2e-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/**
 * The product in a folder of this test. It ends with the test, also with one that takes too long. When the test fails, the
 * terminal and all logs are printed.
 */
export const start = async (options: ProductOptions = {}): Promise<TestProduct> => {
  const dataDir = options.dataDir ?? (await temporaryFolder())
  const product = await startProduct({ ...options, dataDir })
  // Hooks run last one first: the folder is still there.
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') console.error(await product.logs())
    await product[Symbol.asyncDispose]()
  })
  return product
}
