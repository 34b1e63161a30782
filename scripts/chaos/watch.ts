import { setTimeout as delay } from 'node:timers/promises'
import { ask } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'

interface Status {
  pipeline: { partitions: { partition: number; source: string; owner: string | null; watermark: string | null }[] }
}

const QUERY = '{ pipeline { partitions { partition source owner watermark } } }'
const EVERY_MS = 500

export interface PipelineWatch extends AsyncDisposable {
  /** Answers that came. */
  looks(): number
  /** Where a watermark went back, in words. */
  problems: string[]
}

/**
 * Looks at Query.pipeline all the while: as long as a partition has the same owner no watermark goes back. What an owner
 * has read and not committed is not what the next one starts from.
 */
export const watchPipeline = (views: readonly TestProduct[]): PipelineWatch => {
  const leaving = new AbortController()
  const highest = new Map<string, string>()
  const problems: string[] = []
  let looks = 0

  const look = async (view: TestProduct): Promise<void> => {
    const { pipeline } = await ask<Status>(view, QUERY)
    looks++
    for (const { partition, source, owner, watermark } of pipeline.partitions) {
      if (owner === null || watermark === null) continue
      const clock = `partition ${partition} of ${source} with ${owner}, as ${view.endpoints.graphql} sees it`
      const before = highest.get(clock)
      if (before !== undefined && watermark < before) problems.push(`${clock}: ${before}, then ${watermark}`)
      highest.set(clock, watermark)
    }
  }

  const run = async (view: TestProduct): Promise<void> => {
    while (!leaving.signal.aborted) {
      // A gateway that is away is asked again.
      await look(view).catch(() => {})
      await delay(EVERY_MS, undefined, { signal: leaving.signal }).catch(() => {})
    }
  }
  const running = views.map(run)
  return {
    looks: () => looks,
    problems,
    [Symbol.asyncDispose]: async () => {
      leaving.abort()
      await Promise.all(running)
    },
  }
}
