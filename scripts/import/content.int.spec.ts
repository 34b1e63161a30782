import { createHash } from 'node:crypto'
import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openContent } from './content.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-test-'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const text = async (content: { chunks(): AsyncIterable<Buffer> }) => {
  let read = ''
  for await (const chunk of content.chunks()) read += chunk.toString()
  return read
}
const noInput = () => Readable.from([])

test('a file, the same packed, and the same on standard input are the same content, as often as it is read', async () => {
  await writeFile(join(folder, 'plain'), 'one\ntwo\n')
  await writeFile(join(folder, 'packed.gz'), gzipSync('one\ntwo\n'))
  const opened = [
    await openContent(join(folder, 'plain'), noInput()),
    await openContent(join(folder, 'packed.gz'), noInput()),
    await openContent(undefined, Readable.from([Buffer.from('one\n'), Buffer.from('two\n')])),
    await openContent('-', Readable.from([gzipSync('one\ntwo\n')])),
  ]
  for (const content of opened) {
    expect(content).toMatchObject({ sha256: sha256('one\ntwo\n'), bytes: 8 })
    expect([await text(content), await text(content)]).toEqual(['one\ntwo\n', 'one\ntwo\n'])
    await content[Symbol.asyncDispose]()
  }
})

test('a file that grows meanwhile is read as it was', async () => {
  const file = join(folder, 'growing')
  await writeFile(file, 'one\n')
  await using content = await openContent(file, noInput())
  await appendFile(file, 'two\n')
  expect(await text(content)).toBe('one\n')
})

test('an empty file is empty content', async () => {
  const file = join(folder, 'empty')
  await writeFile(file, '')
  await using content = await openContent(file, noInput())
  expect([content.bytes, await text(content)]).toEqual([0, ''])
})

test('standard input leaves no file behind', async () => {
  vi.stubEnv('TMPDIR', folder)
  await using content = await openContent(undefined, Readable.from(['one\n']))
  expect(await readdir(folder)).toEqual([])
  expect(await text(content)).toBe('one\n')
})

test('what cannot be read is named', async () => {
  await expect(openContent(join(folder, 'missing'), noInput())).rejects.toThrow(/cannot read .*missing/)
  await expect(openContent(folder, noInput())).rejects.toThrow('is a folder')
  const torn = join(folder, 'torn.gz')
  await writeFile(torn, gzipSync('one\ntwo\n').subarray(0, 15))
  await expect(openContent(torn, noInput())).rejects.toThrow(/cannot read .*torn/)
})
