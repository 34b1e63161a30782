import type { TestProduct } from '#infra/testing/product.ts'

/** What /metrics of the gateway says now: values by name, with the labels where there are some. */
export type Scrape = Readonly<Record<string, number>>

const LINE = /^(?<name>[a-z0-9_]+(?:\{[^}]*\})?) (?<value>\S+)$/gm

export const scrape = async ({ endpoints }: TestProduct): Promise<Scrape> => {
  const text = await (await fetch(new URL('/metrics', endpoints.dashboard))).text()
  const values = [...text.matchAll(LINE)].map(({ groups }) => [groups!.name, Number(groups!.value)])
  return Object.fromEntries(values)
}
