import { ERROR, type Supported } from './codes.ts'
import type { WireWriter } from './wire.ts'

const FLEXIBLE = 3

/**
 * A version that is newer than any that is known is answered in the form of version 0, which every client reads, with
 * the error that makes it ask again.
 */
export const writeApiVersions = (writer: WireWriter, version: number, supported: readonly Supported[]): void => {
  const isKnown = version <= FLEXIBLE
  writer.int16(isKnown ? ERROR.none : ERROR.unsupportedVersion)
  if (isKnown && version === FLEXIBLE) {
    writer.int8(supported.length + 1)
    for (const { api, min, max } of supported) writer.int16(api).int16(min).int16(max).int8(0)
    writer.int32(0).int8(0)
    return
  }
  writer.array(supported, ({ api, min, max }) => writer.int16(api).int16(min).int16(max))
  if (isKnown && version >= 1) writer.int32(0)
}
