import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/** Lets 1 GB of buffers come and go beside a heap of some size; prints how often all of the heap was collected. */
const CHURN = `
let collected = 0
new PerformanceObserver((list) => {
  collected += list.getEntries().filter(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR).length
}).observe({ entryTypes: ['gc'] })
const live = Array.from({ length: 200_000 }, (_, i) => ({ i, name: 'name ' + i }))
for (let i = 0; i < 5_000; i++) {
  Buffer.allocUnsafeSlow(200_000)[0] = 1
  if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
}
await new Promise((resolve) => setTimeout(resolve, 10))
console.log(collected, live.length)`

const collections = async (setUp: string): Promise<number> => {
  const program = `${setUp}import { constants, PerformanceObserver } from 'node:perf_hooks'\n${CHURN}`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  return Number.parseInt(stdout, 10)
}

test('in every child process buffers that come and go have the whole heap collected far less often', async () => {
  const child = new URL('child.ts', import.meta.url)
  const before = await collections('')
  const after = await collections(`import ${JSON.stringify(child.href)}\n`)
  expect(before).toBeGreaterThan(4)
  expect(after).toBeLessThan(before / 2)
})
