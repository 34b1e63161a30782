import { connectNats } from '#infra/nats/connect.ts'
import { createOlapClient } from '#infra/nats/olap-client.ts'
import { MillraceError } from '#schema/errors.ts'
import type { TenantTotals } from '#schema/olap.ts'
import type { TestProduct } from './product.ts'
import { until } from './until.ts'

/** The OLAP store of a running product. Asks again while it is away. */
export interface Store extends AsyncDisposable {
  /** Rows of one statement. */
  sql(statement: string): Promise<unknown[][]>
  totals(): Promise<TenantTotals>
}

export const TENANT = 'main'

export const openStore = async ({ endpoints }: TestProduct): Promise<Store> => {
  const nats = await connectNats(endpoints.nats, 'e2e')
  const olap = createOlapClient(nats, { timeoutMs: 5_000 })
  /** A store that refuses the question will go on doing so. */
  const answer = async <T>(what: string, question: () => Promise<T>): Promise<T> => {
    const settled = await until(`an answer to ${what}`, () =>
      question().then(
        (value) => ({ value }),
        (error: unknown) => {
          if (error instanceof MillraceError && error.code === 'BAD_INPUT') return { error }
          throw error
        },
      ),
    )
    if ('error' in settled) throw settled.error
    return settled.value
  }
  return {
    sql: (statement) => answer(statement, async () => (await olap.sql(statement)).rows),
    totals: () => answer('totals', () => olap.totals(TENANT)),
    [Symbol.asyncDispose]: () => nats.nc.close(),
  }
}
