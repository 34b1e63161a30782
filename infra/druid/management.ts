/** Druid answered with an error, or not at all within the time that it had. */
export class DruidError extends Error {
  /** Of HTTP; 0 when there was no answer. */
  readonly status: number

  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DruidError'
    this.status = status
  }
}

/** Of the router with its management proxy: coordinator, overlord and SQL under one address. */
export interface Management {
  readonly url: string
  /** What `path` answers, which nobody has checked. Undefined where there is no such thing (404). Throws DruidError. */
  get(path: string): Promise<unknown>
  post(path: string, body?: unknown): Promise<unknown>
  delete(path: string): Promise<unknown>
}

interface ManagementOptions {
  /** Of the router. */
  url: string
  /** Longest wait for one answer, milliseconds. */
  timeoutMs?: number
  signal?: AbortSignal
}

const TIMEOUT_MS = 30_000
const SHOWN = 300

const parse = (text: string): unknown => {
  try {
    return text === '' ? null : JSON.parse(text)
  } catch {
    return text
  }
}

/** Druid says `error` or `errorMessage` in JSON, and sometimes a page. */
const complaintOf = (text: string): string => {
  const said = parse(text) as { error?: unknown; errorMessage?: unknown } | string | null
  const words = typeof said === 'string' ? said : (said?.errorMessage ?? said?.error ?? text)
  return String(words).slice(0, SHOWN)
}

const readAnswer = async (at: string, response: Response): Promise<unknown> => {
  const text = await response.text()
  if (response.status === 404) return undefined
  if (response.ok) return parse(text)
  throw new DruidError(`${at} answered ${response.status}: ${complaintOf(text)}`, response.status)
}

/** A thin client of Druid's own HTTP interface. Each wait is bounded. */
export const createManagement = ({ url, timeoutMs = TIMEOUT_MS, signal }: ManagementOptions): Management => {
  const base = url.replace(/\/+$/, '')
  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const at = `${method} ${base}${path}`
    const limit = AbortSignal.timeout(timeoutMs)
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      })
      return await readAnswer(at, response)
    } catch (error) {
      if (error instanceof DruidError || signal?.aborted) throw error
      const { cause, message } = error as Error
      throw new DruidError(`${at}: ${cause instanceof Error ? cause.message : message}`, 0, { cause: error })
    }
  }
  return {
    url: base,
    get: (path) => ask('GET', path),
    post: (path, body) => ask('POST', path, body),
    delete: (path) => ask('DELETE', path),
  }
}
