import { expect, test } from 'vitest'
import { decodeLine, type Line, MAX_LINE_BYTES, readLines } from './lines.ts'

const read = async (...chunks: (string | Buffer)[]): Promise<Line[]> => {
  async function* source() {
    for (const chunk of chunks) yield Buffer.from(chunk)
  }
  const lines: Line[] = []
  for await (const line of readLines(source())) lines.push(line)
  return lines
}
const texts = (lines: Line[]) => lines.map(({ number, bytes }) => [number, bytes?.toString()])

test('lines are cut at LF and CRLF, wherever the chunks end', async () => {
  expect(texts(await read('one\ntw', 'o\r', '\nthr', 'e', 'e'))).toEqual([
    [1, 'one'],
    [2, 'two'],
    [3, 'three'],
  ])
})

test('blank lines are left out and still counted', async () => {
  expect(texts(await read('\n\r\na\n\nb\n'))).toEqual([
    [3, 'a'],
    [5, 'b'],
  ])
})

test('offsets are the bytes up to the end of each line', async () => {
  expect((await read('ab\r\nc\nlast')).map(({ offset }) => offset)).toEqual([4, 6, 10])
})

test('a byte order mark at the start is no part of the first line', async () => {
  expect(texts(await read('\ufeffa\n\ufeffb'))).toEqual([
    [1, 'a'],
    [2, '\ufeffb'],
  ])
})

test('a line beyond the limit has no bytes, and the next one is whole', async () => {
  const lines = await read('x'.repeat(MAX_LINE_BYTES), 'y\nnext')
  expect(texts(lines)).toEqual([
    [1, undefined],
    [2, 'next'],
  ])
  expect(lines[1].offset).toBe(MAX_LINE_BYTES + 6)
})

test('no lines in nothing', async () => {
  expect(await read()).toEqual([])
  expect(await read('')).toEqual([])
})

test('bytes that are no UTF-8 become one character each, so that none is lost', () => {
  expect(decodeLine(Buffer.from('café'))).toBe('café')
  const odd = Buffer.from([0x61, 0xe9, 0xff, 0x00])
  expect(Buffer.from(decodeLine(odd), 'latin1')).toEqual(odd)
  const surrogate = Buffer.from([0xed, 0xa0, 0x80])
  expect(decodeLine(surrogate).isWellFormed()).toBe(true)
})
