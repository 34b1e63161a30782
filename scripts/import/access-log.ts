import { parseTime } from '#schema/time.ts'
import { unescapeField } from './escapes.ts'

/** One line of an access log. What the line does not tell is absent. */
export interface AccessLine {
  /** Address or host name of the client. */
  host: string
  /** Name from HTTP authentication. */
  user?: string
  /** RFC 3339 with the line's own zone. */
  time: string
  method?: string
  /** Without the query. */
  path?: string
  query?: string
  /** The whole request line, where it is none that can be taken apart. */
  request?: string
  status?: number
  /** Bytes of the body that was sent. */
  bytes?: number
  referrer?: string
  userAgent?: string
}

const HEAD = /^(\S+) \S+ (\S.*?) \[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{2})(\d{2})\] /
/** A quote ends the field only before a space or the line's end: some servers do not escape those inside. */
const QUOTED = /"([^"\\]*(?:(?:\\.|"(?! |$))[^"\\]*)*)(?:"|\\?$) ?/y
const NUMBERS = /(\d{3}|-) (\d+|-)(?: |$)/y
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * Reads a line of Apache's combined log format; referrer and user agent may be missing (the common format), and the
 * last field may lack its closing quote (cut lines). Answers what is wrong when address, time, request and status
 * cannot be found.
 */
export const parseAccessLine = (line: string): AccessLine | string => {
  const head = HEAD.exec(line)
  if (!head) return 'expected: address identity user [time] "request" status bytes "referrer" "user agent"'
  const [whole, host, user] = head
  const time = toTime(head)
  if (parseTime(time) === null) return `no such time: ${time}`
  const [request, numbersAt] = readQuoted(line, whole.length)
  if (request === undefined) return 'expected a "request" in quotes after the time'
  NUMBERS.lastIndex = numbersAt
  const numbers = NUMBERS.exec(line)
  if (!numbers) return 'expected status and bytes after the request'
  const [referrer, agentAt] = readQuoted(line, NUMBERS.lastIndex)
  const [userAgent] = readQuoted(line, agentAt)
  return dropAbsent({
    host,
    user: given(user),
    time,
    ...splitRequest(request),
    status: toNumber(numbers[1]),
    bytes: toNumber(numbers[2]),
    referrer: given(referrer),
    userAgent: given(userAgent),
  })
}

const toTime = ([, , , day, month, year, clock, zoneHours, zoneMinutes]: RegExpExecArray): string =>
  `${year}-${String(MONTHS.indexOf(month) + 1).padStart(2, '0')}-${day}T${clock}${zoneHours}:${zoneMinutes}`

/** The field in quotes at `at`, and where the next one starts. */
const readQuoted = (line: string, at: number): [string | undefined, number] => {
  QUOTED.lastIndex = at
  const match = QUOTED.exec(line)
  return match ? [unescapeField(match[1]), at + match[0].length] : [undefined, at]
}

/** `-` stands for what is not there. */
const given = (field: string | undefined): string | undefined => (field === '-' || field === '' ? undefined : field)

const toNumber = (field: string): number | undefined => {
  const value = Number(field)
  return field !== '-' && Number.isSafeInteger(value) ? value : undefined
}

/** RFC 9112, section 3; the version is missing in HTTP/0.9. */
const REQUEST = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (.*\S) HTTP\/\d(?:\.\d)?$/
const OLD_REQUEST = /^([A-Z]+) (\/\S*)$/

const splitRequest = (request: string): Pick<AccessLine, 'method' | 'path' | 'query' | 'request'> => {
  const match = REQUEST.exec(request) ?? OLD_REQUEST.exec(request)
  if (!match) return { request: given(request) }
  const [, method, target] = match
  const mark = target.indexOf('?')
  if (mark < 0) return { method, path: target }
  return { method, path: target.slice(0, mark), query: target.slice(mark + 1) }
}

const dropAbsent = (line: { [K in keyof AccessLine]: AccessLine[K] | undefined }): AccessLine =>
  Object.fromEntries(Object.entries(line).filter(([, value]) => value !== undefined)) as unknown as AccessLine
