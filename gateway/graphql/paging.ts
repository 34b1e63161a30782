import { MillraceError } from '#schema/errors.ts'

const MAX_PAGE = 10_000

/** Size of a page; 100 when none is given. Throws BAD_INPUT. */
export const requireFirst = (first: number | null | undefined): number => {
  const size = first ?? 100
  if (size >= 1 && size <= MAX_PAGE) return size
  throw new MillraceError('BAD_INPUT', `first is ${size}; it must be 1 to ${MAX_PAGE}. Read on with after`)
}

/** A question to the store; what it cannot answer now becomes UNAVAILABLE. */
export const askStore = async <T>(ask: () => Promise<T>): Promise<T> => {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof MillraceError) throw error
    throw new MillraceError(
      'UNAVAILABLE',
      'the store does not answer; try again in a few seconds',
      {},
      { cause: error },
    )
  }
}
