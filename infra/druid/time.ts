/** Last millisecond of the year 9999. */
const LAST_TIME = 253_402_300_799_999

/** What TIMESTAMP can say of a bound that a caller gave. */
export const boundedTime = (ms: number): number => Math.trunc(Math.min(Math.max(0, ms), LAST_TIME))
