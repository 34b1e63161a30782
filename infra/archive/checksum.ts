import { createReadStream } from 'node:fs'
import { crc32c } from '@node-rs/crc32'

/** A CRC-32C as GCS writes it: base64 of four bytes, most significant first. */
export const encodeChecksum = (sum: number): string => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(sum >>> 0)
  return bytes.toString('base64')
}

/** CRC-32C of a file's bytes. */
export const checksumOfFile = async (path: string): Promise<string> => {
  let sum = 0
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) sum = crc32c(piece as Buffer, sum)
  return encodeChecksum(sum)
}
