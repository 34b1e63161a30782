/**
 * Ids of the generator's events: UUIDv7 (RFC 9562, section 5.7) whose last eight digits are the number of the event in
 * the run. So a store's ids become numbers again, and what is acknowledged is kept as bits.
 */
export const ID_LENGTH = 36

/** Where the number stands. */
const NUMBER_AT = 28
/** Marks ids of the generator among all others. */
const TAG = 'be7'

/** What stands in a template where an id is to be: `writeId` fills in the rest. */
export const BLANK_ID = `00000000-0000-7${TAG}-8000-000000000000`

/** SQL: the numbers of a table's ids, and which of its rows have one. */
export const NUMBER_SQL = {
  number: `('0x' || substr(id, ${NUMBER_AT + 1}, 8))::UINTEGER`,
  isOurs: `id LIKE '________-____-7${TAG}-8%'`,
} as const

const HEX = Buffer.from('0123456789abcdef')

/** Writes a whole number below 2^32 as eight hexadecimal digits. */
export const writeHex = (bytes: Buffer, at: number, value: number): void => {
  for (let i = at + 7, left = value; i >= at; i--, left >>>= 4) bytes[i] = HEX[left & 15]
}

const writeHex4 = (bytes: Buffer, at: number, value: number): void => {
  bytes[at] = HEX[(value >>> 12) & 15]
  bytes[at + 1] = HEX[(value >>> 8) & 15]
  bytes[at + 2] = HEX[(value >>> 4) & 15]
  bytes[at + 3] = HEX[value & 15]
}

/** Writes the id of this event over a blank one. The digits between time and number look random and follow from it. */
export const writeId = (bytes: Buffer, at: number, timeMs: number, number: number): void => {
  writeHex(bytes, at, Math.floor(timeMs / 65_536))
  writeHex4(bytes, at + 9, timeMs % 65_536)
  const noise = Math.imul(number ^ 0x5bd1e995, 0x9e3779b1)
  bytes[at + 20] = HEX[(noise >>> 4) & 15]
  bytes[at + 21] = HEX[(noise >>> 8) & 15]
  bytes[at + 22] = HEX[(noise >>> 12) & 15]
  writeHex4(bytes, at + 24, noise >>> 16)
  writeHex(bytes, at + NUMBER_AT, number)
}
