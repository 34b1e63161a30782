import type { TestProduct } from '#infra/testing/product.ts'

/** What /metrics of the gateway says now: values by name, with the labels where there are some. */
export type Scrape = Readonly<Record<string, number>>

const LINE = /^(?<name>[a-z0-9_]+(?:\{[^}]*\})?) (?<value>\S+)$/gm

export const scrape = ({ endpoints }: TestProduct): Promise<Scrape> => read(endpoints.dashboard)

/** The same of one process, by its name. */
export const scrapeProcess = ({ endpoints }: TestProduct, name: string): Promise<Scrape> => read(endpoints.admin[name])

const read = async (address: string): Promise<Scrape> => {
  const text = await (await fetch(new URL('/metrics', address))).text()
  const values = [...text.matchAll(LINE)].map(({ groups }) => [groups!.name, Number(groups!.value)])
  return Object.fromEntries(values)
}
