import { EventEmitter } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type File, type FileMetadata, IdempotencyStrategy, Storage, type StorageOptions } from '@google-cloud/storage'
import { crc32c } from '@node-rs/crc32'
import { type ObjectBody, ObjectConflict, type ObjectInfo, ObjectMissing, type ObjectStore } from '#processors/ports.ts'
import { checksumOfFile, encodeChecksum } from '../archive/checksum.ts'

interface BucketOptions {
  bucket: string
  /** Of all names, without a slash at its end; empty: none. */
  prefix: string
  /** Another address of the API, asked without credentials: an emulator. */
  endpoint?: string
  /** Larger bodies are uploaded resumably. */
  resumableBytes?: number
  /** How long an answer may take; a large body has more, by its size. */
  timeoutMs?: number
}

/** A stream of the client library's own has eleven listeners in every download: a warning of a leak that is none. */
const MOST_LISTENERS = 20

const RESUMABLE_BYTES = 5_000_000
const TIMEOUT_MS = 60_000
/** The slowest upload that is waited for. */
const BYTES_PER_MS = 100
const MOST_TRIES = 4
const FIRST_PAUSE_MS = 200

const codeOf = (error: unknown): number => Number((error as { code?: unknown }).code)
const isConflict = (error: unknown): boolean => codeOf(error) === 412
const isMissing = (error: unknown): boolean => codeOf(error) === 404
/** The server's word: another try gets the same. Not so what it may take back (429, 5xx), and what is no status at all. */
const isAnswer = (error: unknown): boolean => {
  const code = codeOf(error)
  return code >= 400 && code < 500 && code !== 408 && code !== 429
}

const within = async <T>(ms: number, what: string, work: Promise<T>): Promise<T> => {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`${what} took longer than ${ms / 1000} s`)), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Repeats what may be different the next time. What happened and was not answered, the next try of a write finds by its
 * precondition.
 */
const patiently = async <T>(act: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await act()
    } catch (error) {
      if (isAnswer(error) || error instanceof ObjectMissing || tries === MOST_TRIES) throw error
      await delay(FIRST_PAUSE_MS * 2 ** (tries - 1))
    }
  }
}

const orNull = async <T>(question: () => Promise<T>): Promise<T | null> => {
  try {
    return await question()
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

interface Content {
  bytes: number
  crc32c: string
  stream: () => Readable
}

const contentOf = async (body: ObjectBody): Promise<Content> => {
  if (body instanceof Uint8Array) {
    return {
      bytes: body.length,
      crc32c: encodeChecksum(crc32c(body)),
      stream: () => Readable.from([Buffer.from(body)], { objectMode: false }),
    }
  }
  const { path } = body
  const { size: bytes } = await stat(path)
  return { bytes, crc32c: await checksumOfFile(path), stream: () => createReadStream(path) }
}

/** Objects of a bucket of Google Cloud Storage. Credentials are found by the client library's standard means. */
export const openBucket = ({
  bucket: bucketName,
  prefix,
  endpoint,
  resumableBytes = RESUMABLE_BYTES,
  timeoutMs = TIMEOUT_MS,
}: BucketOptions): ObjectStore => {
  EventEmitter.defaultMaxListeners = Math.max(EventEmitter.defaultMaxListeners, MOST_LISTENERS)
  const client = (retryOptions: StorageOptions['retryOptions']) =>
    new Storage({
      ...(endpoint === undefined ? {} : { apiEndpoint: endpoint, projectId: 'emulated' }),
      timeout: timeoutMs,
      retryOptions: { ...retryOptions, idempotencyStrategy: IdempotencyStrategy.RetryConditional },
    }).bucket(bucketName)
  // The library repeats a question in two layers, four times four: once is enough, and patiently does the rest.
  const bucket = client({ autoRetry: false, maxRetries: 0 })
  // It goes on with a resumable upload where that was cut.
  const uploads = client({ maxRetries: 2, maxRetryDelay: 2 })
  const start = prefix === '' ? '' : `${prefix}/`
  const fileOf = (name: string, generation?: string): File => bucket.file(`${start}${name}`, { generation })
  const toInfo = (name: string, { size, generation, updated }: FileMetadata): ObjectInfo => ({
    name,
    bytes: Number(size),
    generation: String(generation),
    at: Date.parse(String(updated)),
  })
  const metadataOf = (name: string): Promise<FileMetadata | null> =>
    patiently(() =>
      orNull(() =>
        within(
          timeoutMs,
          `metadata of ${name}`,
          fileOf(name)
            .getMetadata()
            .then(([found]) => found),
        ),
      ),
    )

  const upload = async (name: string, content: Content, generation: string | null): Promise<FileMetadata> => {
    const file = uploads.file(`${start}${name}`)
    const target = file.createWriteStream({
      resumable: content.bytes > resumableBytes,
      // The server refuses other bytes than these; what it answers is compared again below.
      metadata: { crc32c: content.crc32c, cacheControl: 'no-store' },
      validation: false,
      preconditionOpts: { ifGenerationMatch: generation ?? 0 },
      timeout: timeoutMs,
    })
    const source = content.stream()
    try {
      await within(timeoutMs + content.bytes / BYTES_PER_MS, `the upload of ${name}`, pipeline(source, target))
    } finally {
      source.destroy()
      target.destroy()
    }
    if (file.metadata.crc32c === content.crc32c) return file.metadata
    throw new Error(`${name} was stored with checksum ${file.metadata.crc32c}, sent was ${content.crc32c}`)
  }

  const download = async (name: string, options: { generation?: string; destination?: string }): Promise<Buffer> => {
    const { generation, destination } = options
    const [data] = await fileOf(name, generation).download({ destination, validation: 'crc32c' })
    return data
  }

  return {
    place: `gs://${bucketName}/${prefix}`,
    async put(name, body, generation) {
      const content = await contentOf(body)
      try {
        return toInfo(name, await patiently(() => upload(name, content, generation)))
      } catch (error) {
        if (isConflict(error)) throw new ObjectConflict(name)
        throw error
      }
    },
    async get(name) {
      for (;;) {
        const metadata = await metadataOf(name)
        if (!metadata) return null
        const info = toInfo(name, metadata)
        const { generation } = info
        // Null: it was replaced meanwhile.
        const data = await patiently(() =>
          orNull(() => within(timeoutMs, `reading ${name}`, download(name, { generation }))),
        )
        if (data) return { info, data: new Uint8Array(data) }
      }
    },
    async fetch(name, path) {
      const metadata = await metadataOf(name)
      if (!metadata) throw new ObjectMissing(name)
      const ms = timeoutMs + Number(metadata.size) / BYTES_PER_MS
      const got = await patiently(() =>
        orNull(() =>
          within(
            ms,
            `reading ${name}`,
            download(name, { destination: path }).then(() => true),
          ),
        ),
      )
      if (!got) throw new ObjectMissing(name)
    },
    async info(name) {
      const metadata = await metadataOf(name)
      return metadata && toInfo(name, metadata)
    },
    async checksum(name) {
      const metadata = await metadataOf(name)
      if (!metadata) throw new ObjectMissing(name)
      return String(metadata.crc32c)
    },
    async *list(wanted) {
      let pageToken: string | undefined
      do {
        const query = { prefix: `${start}${wanted}`, autoPaginate: false, pageToken }
        const [files, next] = await patiently(() => within(timeoutMs, `the list of ${wanted}`, bucket.getFiles(query)))
        for (const { name, metadata } of files) yield toInfo(name.slice(start.length), metadata)
        pageToken = (next as { pageToken?: string } | null)?.pageToken
      } while (pageToken)
    },
    async delete(name) {
      const act = () => fileOf(name).delete({ ignoreNotFound: true })
      await patiently(() => within(timeoutMs, `the removal of ${name}`, act()))
    },
  }
}
