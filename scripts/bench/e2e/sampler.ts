import type { TestProduct } from '#infra/testing/product.ts'
import { type Lag, readLag } from './lag.ts'
import type { Usage, UsageReader } from './processes.ts'
import type { Stages } from './stages.ts'

/** The product at one moment. */
export interface Sample {
  /** Seconds from the begin of the measured time; negative before it. */
  at: number
  usage: Record<string, Usage>
  stages: Stages
  lag: Lag
}

const EVERY_MS = 1_000

interface SamplerOptions {
  product: TestProduct
  readUsage: UsageReader
  readStages: () => Promise<Stages>
  /** Begin of the measured time (performance.now). */
  startedAt: number
}

/** Looks at the product once a second, and whenever it is asked to. */
export const startSampler = ({ product, readUsage, readStages, startedAt }: SamplerOptions) => {
  const samples: Sample[] = []
  let last: Lag = { lagSeconds: 0, pendingEvents: 0 }
  const look = async (): Promise<Sample> => {
    const at = (performance.now() - startedAt) / 1_000
    const usage = await readUsage()
    // A gateway that does not answer now says nothing new.
    last = await readLag(product).catch(() => last)
    const sample = { at, usage, stages: await readStages(), lag: last }
    samples.push(sample)
    return sample
  }
  let looking: Promise<unknown> | undefined
  const timer = setInterval(() => {
    looking ??= look()
      .catch(() => undefined)
      .finally(() => {
        looking = undefined
      })
  }, EVERY_MS)
  return {
    samples,
    look: async (): Promise<Sample> => {
      await looking
      return look()
    },
    stop: async (): Promise<void> => {
      clearInterval(timer)
      await looking
    },
  }
}

export type Sampler = ReturnType<typeof startSampler>
