import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from 'node:zlib'
import { MillraceError } from '#schema/errors.ts'
import { LIMITS } from '#schema/limits.ts'

export interface ReadBodyOptions {
  /** Of the body, both as it comes and decompressed. Default: the limit of a request. */
  limitBytes?: number
  /** For the whole body to arrive, milliseconds. */
  timeoutMs?: number
}

/** The client went away before its body had come: there is nobody to answer. */
export class ClientGone extends Error {}

/** A body beyond the limit is read on for this many bytes, so that its sender gets to see the answer. */
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
 * BAD_INPUT (data that does not decompress, or that is too slow), and ClientGone.
 */
export const readBody = async (request: IncomingMessage, options: ReadBodyOptions = {}): Promise<Buffer> => {
  const { limitBytes = LIMITS.requestBytes, timeoutMs = 10_000 } = options
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() || 'identity'
  const decompress = DECOMPRESS[encoding]
  if (encoding !== 'identity' && !decompress) {
    throw new MillraceError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Expected Content-Encoding gzip, deflate, br or none, found "${encoding.slice(0, 40)}". Send one of these.`,
    )
  }
  const raw = await receive(request, limitBytes, timeoutMs)
  return decompress ? unpack(raw, decompress, encoding, limitBytes) : raw
}

const tooLarge = (limitBytes: number): MillraceError =>
  new MillraceError(
    'TOO_LARGE',
    `Expected a body of at most ${limitBytes} bytes, found more. Send it in several requests.`,
  )

const receive = (request: IncomingMessage, limitBytes: number, timeoutMs: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
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
      if (bytes <= limitBytes) chunks.push(chunk)
      else if (bytes > limitBytes + DISCARD_BYTES) finish(tooLarge(limitBytes))
      else chunks.length = 0
    }
    const onEnd = (): void => finish(bytes > limitBytes ? tooLarge(limitBytes) : null)
    const onGone = (): void => finish(new ClientGone('the client went away'))
    const timer = setTimeout(() => {
      const message = `Expected the whole body within ${timeoutMs} ms, received ${bytes} bytes. Send it again.`
      finish(bytes > limitBytes ? tooLarge(limitBytes) : new MillraceError('BAD_INPUT', message))
    }, timeoutMs)
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })

/** Decompression stops as soon as the output passes the limit, whatever the input promises. */
const unpack = async (raw: Buffer, decompress: Decompress, encoding: string, limitBytes: number): Promise<Buffer> => {
  try {
    return await decompress(raw, { maxOutputLength: limitBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limitBytes)
    const detail = error instanceof Error ? error.message : String(error)
    throw new MillraceError(
      'BAD_INPUT',
      `Expected ${encoding} data, found something else (${detail}). Check the encoder.`,
    )
  }
}
