import type { ByteBudget, Lease } from './byte-budget.ts'
import type { KafkaLimits } from './limits.ts'
import { Malformed, Refusal } from './refusal.ts'

/** The fields that every request begins with. */
const LEAST_BYTES = 8
const LENGTH_BYTES = 4
/** Every connection may have one of these: what consumers ask is far smaller. */
const FREE_BYTES = 16_384

interface RequestFrame {
  data: Buffer
  /** Null: it is small. */
  lease: Lease | null
}

/**
 * Cuts what comes into requests: a length, and so many bytes. Memory is taken when the length is known, never more than
 * one request may have. `onPart` is told when a request has begun, and when it is whole.
 */
export async function* readFrames(
  chunks: AsyncIterable<Buffer>,
  budget: ByteBudget,
  { requestBytes }: Pick<KafkaLimits, 'requestBytes'>,
  onPart: (isWhole: boolean) => void,
): AsyncGenerator<RequestFrame> {
  const length = Buffer.alloc(LENGTH_BYTES)
  let lengthAt = 0
  let frame: RequestFrame | null = null
  let at = 0
  try {
    for await (const chunk of chunks) {
      for (let read = 0; read < chunk.length; ) {
        if (!frame) {
          if (lengthAt === 0) onPart(false)
          const copied = chunk.copy(length, lengthAt, read)
          lengthAt += copied
          read += copied
          if (lengthAt < LENGTH_BYTES) continue
          const bytes = length.readInt32BE()
          if (bytes < LEAST_BYTES || bytes > requestBytes) {
            throw new Malformed(`expected a request of ${LEAST_BYTES} to ${requestBytes} bytes, found ${bytes}`)
          }
          const lease = bytes <= FREE_BYTES ? null : budget.tryTake(bytes)
          if (bytes > FREE_BYTES && !lease) throw new Refusal('memory', 'there is no memory for its request now')
          frame = { data: Buffer.allocUnsafeSlow(bytes), lease }
          at = 0
        }
        const copied = chunk.copy(frame.data, at, read)
        at += copied
        read += copied
        if (at < frame.data.length) continue
        onPart(true)
        const whole = frame
        frame = null
        lengthAt = 0
        yield whole
      }
    }
  } finally {
    frame?.lease?.release()
  }
}
