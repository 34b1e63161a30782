/**
 * Events that changed a slice after their own watermark had passed its end. A window of several slices ends later than
 * most of them: it was corrected only if one came when the window's end had been passed, and the highest watermark at
 * which one came tells that of every window, however it is composed.
 */
export interface Corrections {
  corrections: number
  /** The highest of the watermarks of these events, milliseconds; absent where there are none. */
  correctedAt?: number
}

/** The same of two rows of one slice. */
export const mergeCorrections = (a: Corrections, b: Corrections): Corrections => {
  const corrections = a.corrections + b.corrections
  const correctedAt = Math.max(a.correctedAt ?? Number.NEGATIVE_INFINITY, b.correctedAt ?? Number.NEGATIVE_INFINITY)
  return correctedAt === Number.NEGATIVE_INFINITY ? { corrections } : { corrections, correctedAt }
}

/**
 * The watermark by which a slice that ends at `end` was corrected last; -Infinity where it never was. What was written
 * before watermarks were kept says only that the slice's own end had been passed.
 */
export const correctedAt = (row: Corrections, end: number): number =>
  row.correctedAt ?? (row.corrections > 0 ? end : Number.NEGATIVE_INFINITY)
