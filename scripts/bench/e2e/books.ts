import { ask } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'

const COUNTS = [
  'accepted',
  'counted',
  'late',
  'duplicate',
  'invalid',
  'shed',
  'rejected',
  'stored',
  'archived',
] as const

/** Query.ledger; events. */
export interface Books extends Record<(typeof COUNTS)[number], number> {
  balanced: boolean
  settledUntil: string | null
}

const LEDGER = `query ($from: DateTime!, $to: DateTime!) {
  ledger(from: $from, to: $to) { ${COUNTS.join(' ')} balanced settledUntil }
}`
const HOUR_MS = 3_600_000

/** The whole time of a run; epoch milliseconds. */
export const readBooks = async (product: TestProduct, fromMs: number): Promise<Books> => {
  const [from, to] = [fromMs - HOUR_MS, Date.now() + HOUR_MS].map((ms) => new Date(ms).toISOString())
  const { ledger } = await ask<{ ledger: Books }>(product, LEDGER, { from, to })
  const counts = Object.fromEntries(COUNTS.map((name) => [name, Number(ledger[name])])) as Record<
    (typeof COUNTS)[number],
    number
  >
  return { ...counts, balanced: ledger.balanced, settledUntil: ledger.settledUntil }
}

/** Whether all that was sent until then is settled, stored and archived. */
export const isDrained = ({ counted, stored, archived, balanced, settledUntil }: Books, untilMs: number): boolean =>
  balanced && stored === counted && archived === counted && settledUntil !== null && Date.parse(settledUntil) >= untilMs
