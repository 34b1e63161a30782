import type { TestProduct } from '#infra/testing/product.ts'

/** Events that have passed each stage behind the gateway since the processes began. */
export interface Stages {
  settled: number
  stored: number
  archived: number
}

const COUNTERS: Record<keyof Stages, string> = {
  settled: 'millrace_settled_events_total',
  stored: 'millrace_stored_events_total',
  archived: 'millrace_archived_rows_total',
}

/** A process that is too busy to answer in time says what it had said before. */
const SCRAPE_MS = 2_000

const sumOf = (text: string, counter: string): number =>
  [...text.matchAll(new RegExp(`^${counter}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce((sum, [, n]) => sum + Number(n), 0)

const scrape = async (address: string): Promise<string> => {
  const response = await fetch(new URL('/metrics', address), { signal: AbortSignal.timeout(SCRAPE_MS) })
  return response.text()
}

/** Reads the counters of processors and storage. */
export const createStageReader = ({ endpoints }: TestProduct): (() => Promise<Stages>) => {
  const addresses = Object.entries(endpoints.admin).flatMap(([name, address]) =>
    name.startsWith('gateway') ? [] : [address],
  )
  const texts = addresses.map(() => '')
  const look = async (address: string, i: number): Promise<void> => {
    texts[i] = await scrape(address).catch(() => texts[i])
  }
  return async () => {
    await Promise.all(addresses.map(look))
    const total = (stage: keyof Stages): number => texts.reduce((sum, text) => sum + sumOf(text, COUNTERS[stage]), 0)
    return { settled: total('settled'), stored: total('stored'), archived: total('archived') }
  }
}
