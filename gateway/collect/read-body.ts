import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from 'node:zlib'
import { MillraceError } from '#schema/errors.ts'
import { LIMITS } from '#schema/limits.ts'
import type { Share } from './admission.ts'

export interface ReadBodyOptions {
  /** Of the body, both as it comes and decompressed. Default: the limit of a request. */
  limitBytes?: number
  /** For the whole body to arrive, milliseconds. */
  timeoutMs?: number
  /** What the request holds of the bytes in flight; it is given back by whoever opened it. */
  share?: Share
}

/** The client went away before its body had come: there is nobody to answer. */
export class ClientGone extends Error {}

/** What compressed JSON becomes, with room to spare; beyond it a body is decompressed with all of the limit held. */
const USUAL_RATIO = 32
const LEAST_UNPACKED = 64_000

/** A body that is refused is read on for this many bytes, so that its sender gets to see the answer. */
const DISCARD_BYTES = 16_000_000

type Decompress = (data: Buffer, options: ZlibOptions) => Promise<Buffer>

const DECOMPRESS: Record<string, Decompress | undefined> = {
  gzip: promisify(gunzip) as Decompress,
  'x-gzip': promisify(gunzip) as Decompress,
  deflate: promisify(inflate) as Decompress,
  br: promisify(brotliDecompress) as Decompress,
}

/**
 * A request's body, decompressed. Rejects with TOO_LARGE, UNSUPPORTED_MEDIA_TYPE (an unknown Content-Encoding),
 * BAD_INPUT (data that does not decompress, or that is too slow), NoRoom where the share cannot grow, and ClientGone.
 */
export const readBody = async (request: IncomingMessage, options: ReadBodyOptions = {}): Promise<Buffer> => {
  const { limitBytes = LIMITS.requestBytes, timeoutMs = 10_000, share = UNBOUND } = options
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() || 'identity'
  const decompress = DECOMPRESS[encoding]
  if (encoding !== 'identity' && !decompress) {
    throw new MillraceError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Expected Content-Encoding gzip, deflate, br or none, found "${encoding.slice(0, 40)}". Send one of these.`,
    )
  }
  const raw = await receive(request, limitBytes, timeoutMs, share)
  return decompress ? unpack(raw, decompress, encoding, limitBytes, share) : raw
}

/** There is no room for the body among the bytes in flight. */
export class NoRoom extends Error {}

/** 0 where it does not say. */
const declaredBytes = ({ headers }: IncomingMessage): number => Number(headers['content-length'] ?? 0)

/** For who bounds nothing. */
const UNBOUND: Pick<Share, 'fits' | 'grow' | 'shrinkTo'> = { fits: () => true, grow: () => true, shrinkTo() {} }

const tooLarge = (limitBytes: number): MillraceError =>
  new MillraceError(
    'TOO_LARGE',
    `Expected a body of at most ${limitBytes} bytes, found more. Send it in several requests.`,
  )

const receive = (
  request: IncomingMessage,
  limitBytes: number,
  timeoutMs: number,
  share: Pick<Share, 'fits' | 'grow' | 'shrinkTo'>,
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    /** Why the rest is read and forgotten. */
    let refusal: Error | null = share.fits(Math.min(limitBytes, declaredBytes(request))) ? null : new NoRoom()
    const refuse = (error: Error): void => {
      refusal ??= error
      chunks.length = 0
      share.shrinkTo(0)
    }
    const finish = (error: Error | null): void => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
      // What comes after this is nobody's: an error on it must not end the process.
      request.on('error', () => {})
      if (error) reject(error)
      else resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
    }
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > limitBytes) refuse(tooLarge(limitBytes))
      if (bytes > limitBytes + DISCARD_BYTES) finish(refusal)
      else if (refusal === null && share.grow(chunk.length)) chunks.push(chunk)
      else refuse(new NoRoom())
    }
    const onEnd = (): void => finish(refusal)
    const onGone = (): void => finish(new ClientGone('the client went away'))
    const timer = setTimeout(() => {
      const message = `Expected the whole body within ${timeoutMs} ms, received ${bytes} bytes. Send it again.`
      finish(refusal ?? new MillraceError('BAD_INPUT', message))
    }, timeoutMs)
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })

/** Decompression stops as soon as the output passes the limit, whatever the input promises. */
const unpack = async (
  raw: Buffer,
  decompress: Decompress,
  encoding: string,
  limitBytes: number,
  share: Pick<Share, 'grow' | 'shrinkTo'>,
): Promise<Buffer> => {
  const usual = Math.min(limitBytes, Math.max(LEAST_UNPACKED, raw.length * USUAL_RATIO))
  for (const most of usual < limitBytes ? [usual, limitBytes] : [limitBytes]) {
    share.shrinkTo(raw.length)
    if (!share.grow(most)) throw new NoRoom()
    try {
      const data = await decompress(raw, { maxOutputLength: most })
      share.shrinkTo(data.length)
      return data
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') continue
      const detail = error instanceof Error ? error.message : String(error)
      throw new MillraceError(
        'BAD_INPUT',
        `Expected ${encoding} data, found something else (${detail}). Check the encoder.`,
      )
    }
  }
  throw tooLarge(limitBytes)
}
