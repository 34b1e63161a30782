import { ERROR } from './codes.ts'
import type { WireWriter } from './wire.ts'

const WORDS = 'this server keeps no groups: assign partitions and seek, and keep offsets yourself'

/** There are no groups: offsets are the reader's own matter. */
export const writeCoordinatorRefusal = (writer: WireWriter, version: number): void => {
  if (version >= 1) writer.int32(0)
  writer.int16(ERROR.groupAuthorizationFailed)
  if (version >= 1) writer.string(WORDS)
  writer.int32(-1).string('').int32(-1)
}
