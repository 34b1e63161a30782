import { MillraceError } from '#schema/errors.ts'

const MAX_PAGE = 10_000

/** How many rows a page has that was asked to have `first`. */
export const pageSize = (first: number): number => Math.min(Math.max(1, Math.trunc(first)), MAX_PAGE)

/** A row's place in the order of a page. */
export type PageKey = (string | number)[]

/** Cursors that are places of rows whose parts are of these types. */
export const pageCursors = <K extends PageKey>(types: readonly ('number' | 'string')[]) => {
  const isKey = (value: unknown): value is K =>
    Array.isArray(value) &&
    value.length === types.length &&
    value.every((part, i) => typeof part === types[i] && (typeof part === 'string' || Number.isSafeInteger(part)))
  return {
    encode: (key: K): string => Buffer.from(JSON.stringify(key)).toString('base64url'),
    /** Throws CURSOR_INVALID. */
    decode(cursor: string): K {
      try {
        const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
        if (isKey(key)) return key
      } catch {
        // Told below, with everything else that is no cursor.
      }
      throw new MillraceError('CURSOR_INVALID', 'the cursor is not one of a former answer; ask without it')
    },
  }
}
