import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { objectStoreContract } from '#processors/archive/object-store.contract.ts'
import { ObjectConflict } from '#processors/ports.ts'
import { openFolder } from './folder.ts'

objectStoreContract('a folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'millrace-folder-'))
  const stores = await Promise.all([openFolder(root), openFolder(root), openFolder(root)])
  const others = stores.slice(1)
  return {
    store: stores[0],
    another: () => others.pop()!,
    close: () => rm(root, { recursive: true }),
  }
})

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-folder-'))
})
afterEach(() => rm(root, { recursive: true }))

const bytes = (text: string) => new TextEncoder().encode(text)
const left = () => readdir(join(root, '.staging'))

it('leaves nothing beside what it stores, and no empty folder', async () => {
  const store = await openFolder(root)
  const { generation } = await store.put('a/b/x', bytes('1'), null)
  await store.put('a/b/x', bytes('2'), generation)
  await expect(store.put('a/b/x', bytes('3'), null)).rejects.toThrow(ObjectConflict)
  await expect(store.put('a/b/x', bytes('3'), generation)).rejects.toThrow(ObjectConflict)
  expect(await left()).toEqual([])
  await store.delete('a/b/x')
  expect(await readdir(root)).toEqual(['.staging'])
})

it('does what a writer that died had claimed, and keeps only its own claim from succeeding', async () => {
  const store = await openFolder(root)
  const { generation } = await store.put('x', bytes('1'), null)
  // The same claim as a process leaves that is killed between its claim and the rename.
  const other = await openFolder(root)
  let claimed = ''
  const racing = other.put('x', bytes('2'), generation)
  await racing
  const second = (await store.info('x'))!
  const { createHash } = await import('node:crypto')
  claimed = `${createHash('sha256').update('x').digest('hex').slice(0, 32)}-${second.generation}`
  await writeFile(join(root, '.staging', claimed), 'of the dead')
  await expect(store.put('x', bytes('3'), second.generation)).rejects.toThrow(ObjectConflict)
  expect(new TextDecoder().decode((await store.get('x'))?.data)).toBe('2')
  const long = new Date(Date.now() - 20_000)
  await utimes(join(root, '.staging', claimed), long, long)
  await expect(store.put('x', bytes('3'), second.generation)).rejects.toThrow(ObjectConflict)
  expect(new TextDecoder().decode((await store.get('x'))?.data)).toBe('of the dead')
  const third = (await store.info('x'))!
  await store.put('x', bytes('3'), third.generation)
  expect(await left()).toEqual([])
})

it('removes what processes long gone have left in its staging folder, and refuses names that lead out', async () => {
  await openFolder(root).then((store) => store.put('x', bytes('1'), null))
  const [old, fresh] = [join(root, '.staging', 'old'), join(root, '.staging', 'fresh')]
  await writeFile(old, '')
  await writeFile(fresh, '')
  const hours = new Date(Date.now() - 7_200_000)
  await utimes(old, hours, hours)
  const store = await openFolder(root)
  expect(await left()).toEqual(['fresh'])
  await expect(store.put('../x', bytes('1'), null)).rejects.toThrow('no name of an object')
})
