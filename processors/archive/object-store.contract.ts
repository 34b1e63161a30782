import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ObjectConflict, type ObjectInfo, ObjectMissing, type ObjectStore } from '../ports.ts'

interface ContractStore {
  store: ObjectStore
  /** Another one on the same objects, as of another process. */
  another(): ObjectStore
  close(): Promise<void>
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array | undefined): string => new TextDecoder().decode(data)
const all = async (objects: AsyncIterable<ObjectInfo>): Promise<ObjectInfo[]> => {
  const found: ObjectInfo[] = []
  for await (const object of objects) found.push(object)
  return found
}

/** CRC-32C of "123456789" is e3069283, by RFC 3720. */
const DIGITS = { data: bytes('123456789'), crc32c: '4waSgw==' }

/** What every object store must do. */
export const objectStoreContract = (name: string, open: () => Promise<ContractStore>): void => {
  describe(`object store: ${name}`, () => {
    let opened: ContractStore
    let store: ObjectStore
    beforeEach(async () => {
      opened = await open()
      store = opened.store
    })
    afterEach(() => opened.close())

    it('gives back what was put, whole, with its size and checksum', async () => {
      const put = await store.put('a/b=c/x.bin', DIGITS.data, null)
      expect(put).toMatchObject({ name: 'a/b=c/x.bin', bytes: 9 })
      const found = await store.get('a/b=c/x.bin')
      expect(text(found?.data)).toBe('123456789')
      expect(found?.info).toEqual(put)
      expect(await store.info('a/b=c/x.bin')).toEqual(put)
      expect(await store.checksum('a/b=c/x.bin')).toBe(DIGITS.crc32c)
      expect(Math.abs(put.at - Date.now())).toBeLessThan(86_400_000)
    })

    it('knows what is not there', async () => {
      expect(await store.get('none')).toBeNull()
      expect(await store.info('none')).toBeNull()
      await expect(store.checksum('none')).rejects.toThrow(ObjectMissing)
      await expect(store.fetch('none', '/nowhere')).rejects.toThrow(ObjectMissing)
      await store.delete('none')
      expect(await all(store.list(''))).toEqual([])
    })

    it('creates once', async () => {
      await store.put('x', bytes('first'), null)
      await expect(store.put('x', bytes('second'), null)).rejects.toThrow(ObjectConflict)
      expect(text((await store.get('x'))?.data)).toBe('first')
    })

    it('replaces what the writer knows and nothing else', async () => {
      const first = await store.put('x', bytes('1'), null)
      const second = await store.put('x', bytes('2'), first.generation)
      expect(second.generation).not.toBe(first.generation)
      await expect(store.put('x', bytes('3'), first.generation)).rejects.toThrow(ObjectConflict)
      await expect(store.put('none', bytes('3'), first.generation)).rejects.toThrow(ObjectConflict)
      expect(text((await store.get('x'))?.data)).toBe('2')
      expect(await store.get('none')).toBeNull()
    })

    it('loses no change of writers that compete', async () => {
      const increment = async (own: ObjectStore): Promise<void> => {
        for (;;) {
          const found = await own.get('count')
          const next = bytes(String(Number(text(found?.data) || '0') + 1))
          try {
            await own.put('count', next, found?.info.generation ?? null)
            return
          } catch (error) {
            if (!(error instanceof ObjectConflict)) throw error
          }
        }
      }
      const others = [store, opened.another(), opened.another()]
      const work = others.map(async (own) => {
        for (let i = 0; i < 10; i++) await increment(own)
      })
      await Promise.all(work)
      expect(text((await store.get('count'))?.data)).toBe('30')
    })

    it('lists by prefix, in order, and only what is whole', async () => {
      for (const one of ['m/b.json', 'm/a=1/c.json', 'n/a.json', 'm/a=1/b.json']) await store.put(one, bytes(one), null)
      const names = async (prefix: string) => (await all(store.list(prefix))).map((info) => info.name)
      expect(await names('m/')).toEqual(['m/a=1/b.json', 'm/a=1/c.json', 'm/b.json'])
      expect(await names('m/a=1/')).toEqual(['m/a=1/b.json', 'm/a=1/c.json'])
      expect(await names('')).toHaveLength(4)
      expect(await names('q/')).toEqual([])
      const [listed] = await all(store.list('n/'))
      expect(listed).toEqual(await store.info('n/a.json'))
    })

    it('deletes, and creates again', async () => {
      const { generation } = await store.put('x', bytes('1'), null)
      await store.delete('x')
      await store.delete('x')
      expect(await store.get('x')).toBeNull()
      await expect(store.put('x', bytes('2'), generation)).rejects.toThrow(ObjectConflict)
      await store.put('x', bytes('2'), null)
      expect(text((await store.get('x'))?.data)).toBe('2')
    })

    it('takes files and gives them back', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'millrace-objects-'))
      try {
        const [path, copy] = [join(folder, 'file'), join(folder, 'copy')]
        const big = new Uint8Array(3_000_000).map((_, i) => (i * 7) % 251)
        await writeFile(path, big)
        const put = await store.put('big', { path }, null)
        expect(put.bytes).toBe(big.length)
        expect(Buffer.compare(await readFile(path), big)).toBe(0)
        await store.fetch('big', copy)
        expect(Buffer.compare(await readFile(copy), big)).toBe(0)
        await expect(store.put('big', { path }, null)).rejects.toThrow(ObjectConflict)
        // What is stored is no part of the file any more.
        await writeFile(path, 'changed')
        expect((await store.get('big'))?.data.length).toBe(big.length)
      } finally {
        await rm(folder, { recursive: true })
      }
    })
  })
}
