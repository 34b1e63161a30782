const QUERY = `subscription($name: String!, $window: Duration!, $by: [String!], $last: Int, $after: Cursor) {
  metric(name: $name, window: {tumbling: $window}, by: $by, last: $last, after: $after) {
    kind asOf watermark cursor
    points { windowStart windowEnd dimensions value status revision }
  }
}`
const RETRY_MS = 2_000

/**
 * The newest windows of one metric as a subscription keeps them. Windows by their start (milliseconds), each a map from
 * its dimensions (text) to the newest point. After a reconnect it goes on from its cursor: nothing is sent twice.
 */
export const createSeries = ({ socket, name, window, by, last, onChange }) => {
  const windows = new Map()
  let cursor
  let problem
  let asOf
  let end
  let retry

  const put = (point) => {
    const start = Date.parse(point.windowStart)
    const points = windows.get(start) ?? new Map()
    windows.set(start, points)
    points.set(point.dimensions.map((value) => value ?? '').join(' '), {
      ...point,
      start,
      end: Date.parse(point.windowEnd),
    })
  }

  const trim = () => {
    const starts = [...windows.keys()].sort((a, b) => b - a)
    for (const start of starts.slice(last)) windows.delete(start)
  }

  const onData = ({ metric }) => {
    if (metric.kind !== 'DELTA') windows.clear()
    for (const point of metric.points) put(point)
    trim()
    cursor = metric.cursor
    asOf = Date.parse(metric.asOf)
    problem = undefined
    onChange()
  }

  const onError = ({ message, extensions }) => {
    end()
    if (extensions?.code === 'CURSOR_INVALID') cursor = undefined
    problem = message
    onChange()
    retry = setTimeout(open, extensions?.code === 'CURSOR_INVALID' ? 0 : RETRY_MS)
  }

  const open = () => {
    const variables = () => ({ name, window, by, last, after: cursor })
    end = socket.subscribe({ query: QUERY, variables, onData, onError })
  }
  open()

  return {
    asOf: () => asOf,
    problem: () => problem,
    /** Windows in order of time; `value` adds up all dimensions and is what it is where there are none. */
    windows: () =>
      [...windows]
        .sort(([a], [b]) => a - b)
        .map(([start, points]) => {
          const list = [...points.values()]
          const value = list.reduce((sum, point) => sum + (point.value ?? 0), 0)
          return { start, end: list[0].end, value, status: list[0].status }
        }),
    /** Sums by the first dimension over the windows from `from` (milliseconds) on, the greatest first. */
    totals: (from) => {
      const sums = new Map()
      for (const [start, points] of windows) {
        if (start < from) continue
        for (const { dimensions, value } of points.values())
          sums.set(dimensions[0], (sums.get(dimensions[0]) ?? 0) + (value ?? 0))
      }
      return [...sums].sort(([, a], [, b]) => b - a)
    },
    close() {
      clearTimeout(retry)
      end()
    },
  }
}
