/** Of all that is on its way through a gateway, where nobody says otherwise. */
export const DEFAULT_IN_FLIGHT_BYTES = 64_000_000
/** The part of them that only HIGH events may take. */
const HIGH_PART = 1 / 8
/** How fast bytes leave is reckoned over so many seconds. */
const RATE_SECONDS = 5
const LEAST_WAIT_MS = 100
/** As long as a frame waits at most: by then what is there now has left or was given up. */
const MOST_WAIT_MS = 10_000

export interface AdmissionOptions {
  /** Default: DEFAULT_IN_FLIGHT_BYTES. */
  limitBytes?: number
  /** Of these, for HIGH events alone. Default: an eighth. */
  highBytes?: number
  /** Milliseconds. */
  monotonic?: () => number
}

/**
 * The bound on bytes in flight: bodies from their first byte to the end of the answer, and frames until they are
 * acknowledged. One count with three bounds: NORMAL events leave room for what of a body is still to be read, and both
 * leave room for HIGH events.
 */
export const createAdmission = (options: AdmissionOptions = {}) => {
  const { limitBytes = DEFAULT_IN_FLIGHT_BYTES, monotonic = () => performance.now() } = options
  const highBytes = options.highBytes ?? Math.floor(limitBytes * HIGH_PART)
  const bodyLimit = limitBytes - Math.floor(highBytes / 2)
  /** Bytes of frames that left, by second. */
  const left = new Map<number, number>()
  let used = 0

  const second = (): number => Math.floor(monotonic() / 1_000)
  const forget = (now: number): void => {
    for (const at of left.keys()) if (at <= now - RATE_SECONDS) left.delete(at)
  }
  const perSecond = (): number => {
    forget(second())
    let sum = 0
    for (const bytes of left.values()) sum += bytes
    return sum / RATE_SECONDS
  }

  const fits = (bytes: number): boolean => used + bytes <= bodyLimit
  const take = (bytes: number): boolean => {
    if (!fits(bytes)) return false
    used += bytes
    return true
  }
  const giveBack = (bytes: number): void => {
    used -= bytes
  }

  return {
    /** Opens the account of one request. */
    open: (): Share => new Share({ fits, take, giveBack }),
    /**
     * Whether a lane that holds `laneBytes` may take so many more. It may hold as much as is free besides, so that a lane
     * that is stuck leaves room for the others; an empty one takes what there is.
     */
    mayPlace(bytes: number, laneBytes: number, isHigh: boolean): boolean {
      const free = (isHigh ? limitBytes : limitBytes - highBytes) - used - bytes
      return free >= 0 && (laneBytes === 0 || laneBytes + bytes <= free)
    },
    /** So many bytes are in a frame. */
    place(bytes: number): void {
      used += bytes
    },
    /** A frame of so many bytes was acknowledged, or given up. */
    leave(bytes: number): void {
      used -= bytes
      const now = second()
      const before = left.get(now)
      if (before === undefined) forget(now)
      left.set(now, (before ?? 0) + bytes)
    },
    usedBytes: () => used,
    /** Until half of what is here has left, as fast as bytes left lately. */
    retryAfterMs(): number {
      const rate = perSecond()
      const ms = rate === 0 ? MOST_WAIT_MS : ((used / 2) * 1_000) / rate
      return Math.round(Math.min(MOST_WAIT_MS, Math.max(LEAST_WAIT_MS, ms)))
    },
  }
}

export type Admission = ReturnType<typeof createAdmission>

interface Account {
  fits(bytes: number): boolean
  take(bytes: number): boolean
  giveBack(bytes: number): void
}

/** What one request holds of the bytes in flight. */
export class Share {
  private readonly account: Account
  private held = 0
  private isOver = false

  constructor(account: Account) {
    this.account = account
  }

  /** Whether so many more could be taken now. */
  fits(bytes: number): boolean {
    return this.account.fits(bytes)
  }

  /** Takes more; answers false, and takes nothing, where there is no room. */
  grow(bytes: number): boolean {
    if (this.isOver || !this.account.take(bytes)) return false
    this.held += bytes
    return true
  }

  /** Gives back what is above `bytes`. */
  shrinkTo(bytes: number): void {
    if (this.held <= bytes) return
    this.account.giveBack(this.held - bytes)
    this.held = bytes
  }

  /** Gives all back, for good. */
  release(): void {
    this.shrinkTo(0)
    this.isOver = true
  }
}
