/** Windows by their starts: [from, to), milliseconds. */
export interface Range {
  from: number
  to: number
}

/**
 * Ranges that hold all of `ranges`, in order, at most `most` of them. Those with a gap of up to `gapMs` between them
 * become one; if there are still too many, the smallest gaps are closed as well.
 */
export const mergeRanges = (ranges: Iterable<Range>, gapMs: number, most = Number.POSITIVE_INFINITY): Range[] => {
  const sorted = [...ranges].sort((a, b) => a.from - b.from)
  const merged: Range[] = []
  for (const { from, to } of sorted) {
    const last = merged.at(-1)
    if (last && from - last.to <= gapMs) last.to = Math.max(last.to, to)
    else merged.push({ from, to })
  }
  if (merged.length <= most) return merged
  const gaps = merged.slice(1).map(({ from }, i) => from - merged[i].to)
  return mergeRanges(merged, gaps.sort((a, b) => a - b)[merged.length - most - 1])
}
