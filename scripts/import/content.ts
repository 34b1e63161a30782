import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline, type Readable } from 'node:stream'
import { pipeline as pump } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { UsageError } from '#scripts/lib/args.ts'

/** Content that can be read as often as needed, always the same bytes. Gzip is unpacked. */
export interface Content extends AsyncDisposable {
  /** SHA-256 of the unpacked bytes, hex. */
  sha256: string
  /** Unpacked bytes. */
  bytes: number
  chunks(): AsyncIterable<Buffer>
}

/**
 * Opens a file, or keeps all of `input` in a temporary file first. Reads it once for its hash.
 * Throws UsageError when it cannot be read.
 */
export const openContent = async (path: string | undefined, input: Readable): Promise<Content> => {
  const handle = path === undefined ? await spool(input) : await openFile(path, input)
  try {
    return await describeContent(handle, path ?? 'standard input')
  } catch (error) {
    await handle.close()
    throw error
  }
}

const openFile = async (path: string, input: Readable): Promise<FileHandle> => {
  if (path === '-') return spool(input)
  const handle = await open(path).catch((error: Error) => {
    throw new UsageError(`cannot read ${path}: ${error.message}`)
  })
  const stats = await handle.stat()
  if (stats.isFile()) return handle
  if (!stats.isDirectory()) return spool(handle.createReadStream())
  await handle.close()
  throw new UsageError(`${path} is a folder; give a file`)
}

/** The name goes at once and the bytes with the last handle: nothing is left behind, however the process ends. */
const spool = async (input: Readable): Promise<FileHandle> => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-import-'))
  try {
    const file = join(folder, 'content')
    await pump(input, createWriteStream(file, { mode: 0o600 }))
    return await open(file)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const describeContent = async (handle: FileHandle, name: string): Promise<Content> => {
  const chunks = await reader(handle)
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of chunks()) {
      hash.update(chunk)
      bytes += chunk.length
    }
  } catch (error) {
    throw new UsageError(`cannot read ${name}: ${(error as Error).message}`)
  }
  return { sha256: hash.digest('hex'), bytes, chunks, [Symbol.asyncDispose]: () => handle.close() }
}

const GZIP_MAGIC = 0x1f8b

/** Reads what the file holds now, also when it grows meanwhile. */
const reader = async (handle: FileHandle): Promise<() => AsyncIterable<Buffer>> => {
  const { size } = await handle.stat()
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0)
  const packed = bytesRead === 2 && buffer.readUInt16BE() === GZIP_MAGIC
  return () => {
    if (size === 0) return emptyContent()
    const raw = handle.createReadStream({ start: 0, end: size - 1, autoClose: false, highWaterMark: 256 * 1024 })
    // An error of either stream reaches whoever reads the last one; the callback has nothing to add.
    return packed ? pipeline(raw, createGunzip(), () => {}) : raw
  }
}

async function* emptyContent(): AsyncGenerator<Buffer> {}
