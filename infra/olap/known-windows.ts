import type { AggregatesQuery, OlapRow, Positions } from '#schema/olap.ts'
import { packAggregates, packWindow } from './packed.ts'

/** Longer ranges are read as they are, and nothing of them is kept. */
const MAX_WINDOWS = 2_000
/** What a window takes beside its text, bytes. */
const WINDOW_BYTES = 100

/** A window of a metric that is written: what is known of it does not hold any more. */
export type TouchedWindow = Pick<AggregatesQuery, 'tenant' | 'metric' | 'version' | 'size'> & { start: number }

interface KnownWindowsOptions {
  /** Rows of a range in the order of their starts, and positions of the same moment. */
  read: (query: AggregatesQuery) => Promise<{ rows: OlapRow[]; positions: Positions }>
  positions: () => Promise<Positions>
  /** Bytes of windows that are kept at most. */
  maxBytes?: number
}

/** Windows by their number, start / size. */
interface Series {
  name: string
  measure: AggregatesQuery['measure']
  /** JSON by window; empty where it has no rows. */
  windows: Map<number, string>
  bytes: number
  waiting: Question[]
  reading: boolean
}

interface Question {
  query: AggregatesQuery
  /** Windows [low, high) are asked for. */
  low: number
  high: number
  settle: (answer: string | Promise<string>) => void
}

/** Questions that one read of the windows [first, end) answers. */
interface Group {
  first: number
  end: number
  questions: Question[]
}

/** A read under way, and the windows of its series that were being written at some time of it. */
interface Read {
  name: string
  spoiled: Set<number> | 'ALL'
}

/** Windows by the name of their series. */
type Touched = Map<string, Set<number>> | 'ALL'

const isSpoiled = (spoiled: Read['spoiled'], window: number): boolean => spoiled === 'ALL' || spoiled.has(window)

const byWindow = (rows: readonly OlapRow[], size: number): Map<number, string> => {
  const windows = new Map<number, string>()
  for (let low = 0, high = 0; low < rows.length; low = high) {
    const { start } = rows[low]
    while (high < rows.length && rows[high].start === start) high++
    const window = Math.floor(start / size)
    const text = packWindow(start, rows.slice(low, high))
    const before = windows.get(window)
    windows.set(window, before ? `${before},${text}` : text)
  }
  return windows
}

/** What is to be read for a question; nothing where others have read it while it waited. */
const missingOf = (windows: ReadonlyMap<number, string>, question: Question): Group => {
  let { low: first, high: end } = question
  while (first < end && windows.has(first)) first++
  while (end > first && windows.has(end - 1)) end--
  return { first, end, questions: [question] }
}

/** Ranges that overlap or touch as one, as long as that is one that may be asked for. */
const joined = (single: Group[]): Group[] => {
  const groups: Group[] = []
  for (const { first, end, questions } of single.sort((a, b) => a.first - b.first)) {
    const last = groups.at(-1)
    const isEmpty = first === end
    if (last && (isEmpty || (first <= last.end && end - last.first <= MAX_WINDOWS))) {
      if (!isEmpty) last.end = Math.max(last.end, end)
      last.questions.push(...questions)
    } else groups.push({ first, end, questions })
  }
  return groups
}

/**
 * Answers of a store that is written by this process alone, as JSON of PackedAggregates. Windows that were read are kept
 * until they are written; questions that come while one is being read are read together after it, and no window that
 * nobody asked for. Rows and positions of an answer are of one moment, as those of `read` are.
 */
export const createKnownWindows = ({ read, positions, maxBytes = 64_000_000 }: KnownWindowsOptions) => {
  /** The least recently asked first. */
  const known = new Map<string, Series>()
  const reads = new Set<Read>()
  const writes = new Set<Touched>()
  let bytes = 0
  let ended = 0
  let newest: { ended: number; positions: Promise<Positions> } | undefined

  const nameOf = ({ tenant, metric, version, size }: Omit<TouchedWindow, 'start'>): string =>
    `${tenant} ${metric} ${version} ${size}`

  const forget = (series: Series, window: number): void => {
    const text = series.windows.get(window)
    if (text === undefined) return
    series.windows.delete(window)
    series.bytes -= WINDOW_BYTES + text.length
    bytes -= WINDOW_BYTES + text.length
  }
  const forgetAll = (series: Series): void => {
    bytes -= series.bytes
    series.bytes = 0
    series.windows.clear()
  }
  const keep = (series: Series, window: number, text: string): void => {
    forget(series, window)
    series.windows.set(window, text)
    series.bytes += WINDOW_BYTES + text.length
    bytes += WINDOW_BYTES + text.length
  }
  const bound = (): void => {
    for (const [name, series] of known) {
      if (bytes <= maxBytes) return
      forgetAll(series)
      if (!series.reading) known.delete(name)
    }
  }

  const seriesOf = (query: AggregatesQuery): Series => {
    const name = nameOf(query)
    const { measure } = query
    const series = known.get(name) ?? { name, measure, windows: new Map(), bytes: 0, waiting: [], reading: false }
    known.delete(name)
    known.set(name, series)
    return series
  }

  /** Those of a moment since which no write has ended: what is known holds for it. */
  const positionsNow = (): Promise<Positions> => {
    if (newest?.ended !== ended) {
      const asked = { ended, positions: positions() }
      newest = asked
      asked.positions.catch(() => {
        if (newest === asked) newest = undefined
      })
    }
    return newest!.positions
  }

  const readWhole = async (query: AggregatesQuery): Promise<string> => {
    const answer = await read(query)
    return packAggregates([...byWindow(answer.rows, query.size).values()], answer.positions)
  }

  /** Null when a window is not known. */
  const textsOf = ({ windows }: Series, low: number, high: number): string[] | null => {
    const texts: string[] = []
    for (let window = low; window < high; window++) {
      const text = windows.get(window)
      if (text === undefined) return null
      if (text !== '') texts.push(text)
    }
    return texts
  }

  const touchedIn = (name: string): Read['spoiled'] => {
    const spoiled = new Set<number>()
    for (const touched of writes) {
      if (touched === 'ALL') return 'ALL'
      for (const window of touched.get(name) ?? []) spoiled.add(window)
    }
    return spoiled
  }

  const readGroup = async (series: Series, { first, end, questions }: Group): Promise<void> => {
    const own: Read = { name: series.name, spoiled: touchedIn(series.name) }
    reads.add(own)
    try {
      const { query } = questions[0]
      const answer = await read({ ...query, from: first * query.size, to: end * query.size })
      const windows = byWindow(answer.rows, query.size)
      for (const question of questions) {
        const texts: string[] = []
        let isWhole = true
        for (let window = question.low; window < question.high && isWhole; window++) {
          const isRead = window >= first && window < end
          const text = isRead ? (windows.get(window) ?? '') : series.windows.get(window)
          // What another read has found since, behind a write, is of another moment.
          isWhole = text !== undefined && (isRead || !isSpoiled(own.spoiled, window))
          if (text) texts.push(text)
        }
        question.settle(isWhole ? packAggregates(texts, answer.positions) : readWhole(question.query))
      }
      for (let window = first; window < end; window++) {
        if (!isSpoiled(own.spoiled, window)) keep(series, window, windows.get(window) ?? '')
      }
    } catch (error) {
      for (const question of questions) question.settle(Promise.reject(error))
    } finally {
      reads.delete(own)
    }
  }

  const readWaiting = async (series: Series): Promise<void> => {
    series.reading = true
    while (series.waiting.length > 0) {
      const single = series.waiting.splice(0).map((question) => missingOf(series.windows, question))
      await Promise.all(joined(single).map((group) => readGroup(series, group)))
      bound()
    }
    series.reading = false
  }

  const readMissing = (query: AggregatesQuery, low: number, high: number): Promise<string> => {
    const series = seriesOf(query)
    const { promise, resolve } = Promise.withResolvers<string>()
    series.waiting.push({ query, low, high, settle: resolve })
    if (!series.reading) void readWaiting(series)
    return promise
  }

  const begin = (touched: Touched): void => {
    writes.add(touched)
    if (touched === 'ALL') {
      for (const series of known.values()) forgetAll(series)
      for (const one of reads) one.spoiled = 'ALL'
      return
    }
    for (const [name, windows] of touched) {
      const series = known.get(name)
      if (series) for (const window of windows) forget(series, window)
    }
    for (const one of reads) {
      for (const window of touched.get(one.name) ?? []) if (one.spoiled !== 'ALL') one.spoiled.add(window)
    }
  }

  const during = async <T>(touched: Touched, write: () => Promise<T>): Promise<T> => {
    begin(touched)
    try {
      return await write()
    } finally {
      writes.delete(touched)
      ended++
    }
  }

  return {
    /** JSON of PackedAggregates. Rejects as `read` does. */
    async answer(query: AggregatesQuery): Promise<string> {
      const { from, to, size, measure } = query
      const [low, high] = [from / size, to / size]
      const isKept = Number.isInteger(low) && Number.isInteger(high) && high > low && high - low <= MAX_WINDOWS
      if (!isKept) return readWhole(query)
      const series = seriesOf(query)
      // A version of a metric measures one thing.
      if (series.measure !== measure) return readWhole(query)
      if (textsOf(series, low, high) === null) return readMissing(query, low, high)
      const before = ended
      const at = await positionsNow()
      const texts = before === ended ? textsOf(series, low, high) : null
      return texts === null ? readMissing(query, low, high) : packAggregates(texts, at)
    },

    /** Runs a write of these windows: what is known of them is forgotten, and nothing is learned until it has ended. */
    writing<T>(touched: Iterable<TouchedWindow>, write: () => Promise<T>): Promise<T> {
      const bySeries = new Map<string, Set<number>>()
      for (const window of touched) {
        const name = nameOf(window)
        const windows = bySeries.get(name) ?? new Set()
        bySeries.set(name, windows)
        windows.add(Math.floor(window.start / window.size))
      }
      return during(bySeries, write)
    },

    /** Runs a write of which nobody knows what it touches. */
    writingAll: <T>(write: () => Promise<T>): Promise<T> => during('ALL', write),

    /** Bytes of windows that are kept. */
    bytes: (): number => bytes,
  }
}

export type KnownWindows = ReturnType<typeof createKnownWindows>
