import type { ClientEvent, EventLine } from '../event.ts'
import type { Hash128 } from '../hash.ts'
import type { CodedField, FrameScanner } from './frame-scanner.ts'
import type { Properties, PropertyName } from './properties.ts'

type Fields = Record<string, unknown>

/**
 * The client's part of a line. Most of it is read by nobody: it is made of the bytes of the frame when it is asked for.
 * Places are [start, end) in these bytes; 0, where no value can stand, is nowhere.
 */
export class ScannedEvent implements ClientEvent {
  name = ''
  start = 0
  end = 0
  idStart = 0
  idEnd = 0
  userStart = 0
  userEnd = 0
  anonymousStart = 0
  anonymousEnd = 0
  readonly data: Buffer
  readonly scanner: FrameScanner
  private readonly scanned: Properties
  private parsed: ClientEvent | undefined

  constructor(data: Buffer, scanner: FrameScanner, scanned: Properties) {
    this.data = data
    this.scanner = scanner
    this.scanned = scanned
    this.parsed = undefined
  }

  get id(): string {
    return this.ascii(this.idStart, this.idEnd)
  }

  get userId(): string | undefined {
    return this.userStart === 0 ? undefined : this.ascii(this.userStart, this.userEnd)
  }

  get anonymousId(): string | undefined {
    return this.anonymousStart === 0 ? undefined : this.ascii(this.anonymousStart, this.anonymousEnd)
  }

  get time(): string | undefined {
    return this.whole().time
  }

  get sessionId(): string | undefined {
    return this.whole().sessionId
  }

  get schemaVersion(): number | undefined {
    return this.whole().schemaVersion
  }

  get properties(): Fields | undefined {
    return this.whole().properties
  }

  get context(): Fields | undefined {
    return this.whole().context
  }

  /** One of the properties. */
  property(name: PropertyName): unknown {
    return this.scanned.of === this ? this.scanned.get(name) : this.properties?.[name.name]
  }

  /** All of it, as JSON.parse makes it. */
  whole(): ClientEvent {
    this.parsed ??= JSON.parse(this.data.toString('utf8', this.start, this.end)) as ClientEvent
    return this.parsed
  }

  private ascii(start: number, end: number): string {
    return this.data.toString('latin1', start, end)
  }
}

/** A line of a frame whose event is made as far as it is asked for. */
export class ScannedLine implements EventLine {
  tenant = ''
  source = ''
  receivedAt = 0
  time = 0
  keyStart = 0
  keyEnd = 0
  weight = 1
  country: string | undefined
  browser: string | undefined
  os: string | undefined
  device: string | undefined
  schema = 0
  /** Where its scanner keeps its record, as long as it is the last line. */
  record = 0
  /** Where it ends in the frame: at its newline, or at the end. */
  end = 0
  /**
   * Whether a row of the archive says it wholly (see toEventRow): the time as text, the session as the line's key, no
   * number or text that is written in another way than JSON.stringify does.
   */
  isRow = false
  readonly e: ScannedEvent

  constructor(e: ScannedEvent) {
    this.e = e
    this.country = undefined
    this.browser = undefined
    this.os = undefined
    this.device = undefined
  }

  /** See hashIdentity. */
  hashIdentity(seed: Hash128, out: Hash128): void {
    this.e.scanner.hashIdentity(this, seed, out)
  }

  /** See FrameScanner.code. */
  code(field: CodedField): number {
    return this.e.scanner.code(this, field)
  }

  /** memberHash of the user, else of the anonymous id, else of the session. */
  get userHash(): number {
    const { data, scanner, userStart, userEnd, anonymousStart, anonymousEnd } = this.e
    if (userStart !== 0) return scanner.memberHash(data, userStart, userEnd)
    if (anonymousStart !== 0) return scanner.memberHash(data, anonymousStart, anonymousEnd)
    return scanner.memberHash(data, this.keyStart, this.keyEnd)
  }

  get key(): string {
    return this.e.data.toString('latin1', this.keyStart, this.keyEnd)
  }
}

/** A line that holds on to no frame. */
export const wholeLine = (line: EventLine): EventLine => {
  if (!(line instanceof ScannedLine)) return line
  const { tenant, source, receivedAt, time, key, weight, country, browser, os, device, schema, e } = line
  return { tenant, source, receivedAt, time, key, weight, country, browser, os, device, schema, e: e.whole() }
}
