import { ask } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'

/** What Query.pipeline says of how far processors are behind. */
export interface Lag {
  lagSeconds: number
  pendingEvents: number
}

const PIPELINE = '{ pipeline { consumerLagSeconds partitions { partition pendingEvents } } }'

interface Pipeline {
  consumerLagSeconds: number
  partitions: { partition: number; pendingEvents: string }[]
}

/** Partitions are listed once for each source: what is pending belongs to the partition. */
export const readLag = async (product: TestProduct): Promise<Lag> => {
  const { pipeline } = await ask<{ pipeline: Pipeline }>(product, PIPELINE)
  const pending = new Map(pipeline.partitions.map((one) => [one.partition, Number(one.pendingEvents)]))
  return {
    lagSeconds: pipeline.consumerLagSeconds,
    pendingEvents: [...pending.values()].reduce((sum, events) => sum + events, 0),
  }
}
