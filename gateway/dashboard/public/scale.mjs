/** A round number at least as large as `value`, and the step of the lines below it. */
export const niceScale = (value, lines = 4) => {
  if (value <= 0) return { top: lines, step: 1 }
  const rough = value / lines
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)
  return { top: Math.ceil(value / step) * step, step }
}

/** Windows that are shown at least, so that the first minutes do not fill the whole width. */
const FEWEST = 20

/**
 * One entry for every window from the oldest to the newest, 0 where nothing was counted. Up to `last` windows; they
 * end now when data are recent, else where the data end.
 */
export const fillWindows = (windows, sizeMs, last, now) => {
  if (windows.length === 0) return []
  const byStart = new Map(windows.map((one) => [one.start, one]))
  const newest = windows.at(-1).start
  const current = Math.floor(now / sizeMs) * sizeMs
  const isRecent = current - newest < last * sizeMs
  // An event whose clock runs ahead must not push the present out of sight.
  const until = isRecent ? Math.min(Math.max(newest, current), current + sizeMs) : newest
  const limit = until - (last - 1) * sizeMs
  const oldest = windows.find(({ start }) => start >= limit)?.start ?? until
  const from = isRecent ? Math.max(limit, Math.min(oldest, until - (FEWEST - 1) * sizeMs)) : oldest
  const filled = []
  for (let start = from; start <= until; start += sizeMs) {
    filled.push(byStart.get(start) ?? { start, end: start + sizeMs, value: 0, status: null })
  }
  return filled
}
