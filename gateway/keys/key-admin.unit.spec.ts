import { expect, test } from 'vitest'
import { createAuthenticator } from '../auth.ts'
import { createMemoryKeys } from '../testing/fakes.ts'
import { createKeyAdmin } from './key-admin.ts'

const setUp = () => {
  const keys = createMemoryKeys({ a: 'ADMIN' })
  const admin = createKeyAdmin({ keys, clock: { now: () => 7 } })
  const find = (secret: string) => createAuthenticator(keys)(`Bearer ${secret}`)
  return { admin, find, own: find('a') }
}

test('a key is made with its limits, and its secret works', async () => {
  const { admin, find } = setUp()
  const made = await admin.create('main', { kind: 'WRITE', label: 'shop', eventsPerSecond: 5, bytesPerSecond: null })
  expect(made).toMatchObject({ kind: 'WRITE', tenant: 'main' })
  expect(made.secret).toMatch(/^mr_write_[\w-]{32}$/)
  expect(find(made.secret)).toEqual({
    id: made.id,
    tenant: 'main',
    kind: 'WRITE',
    label: 'shop',
    createdAt: 7,
    eventsPerSecond: 5,
    bytesPerSecond: undefined,
  })
})

test('limits are changed: 0 takes one away, null gives it back to the deployment', async () => {
  const { admin, find } = setUp()
  const { id, secret } = await admin.create('main', { kind: 'WRITE', label: '', eventsPerSecond: 5 })
  expect(await admin.limit('main', id, { eventsPerSecond: 0, bytesPerSecond: 9 })).toBe(true)
  expect(find(secret)).toMatchObject({ kind: 'WRITE', eventsPerSecond: 0, bytesPerSecond: 9 })
  expect(await admin.limit('main', id, { eventsPerSecond: null, bytesPerSecond: null })).toBe(true)
  expect(find(secret)).toMatchObject({ eventsPerSecond: undefined, bytesPerSecond: undefined })
  await expect(admin.limit('main', id, { eventsPerSecond: -1 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
})

test('a key that is revoked ends at once; one cannot revoke itself', async () => {
  const { admin, find, own } = setUp()
  const { id, secret } = await admin.create('main', { kind: 'READ', label: '' })
  expect([await admin.revoke(own, id), await admin.revoke(own, id)]).toEqual([true, false])
  expect(() => find(secret)).toThrow('not known')
  await expect(admin.revoke(own, own.id)).rejects.toMatchObject({ code: 'FORBIDDEN' })
})

test('the keys of another tenant are not there', async () => {
  const { admin, find, own } = setUp()
  const { id, secret } = await admin.create('other', { kind: 'WRITE', label: '' })
  expect([await admin.revoke(own, id), await admin.limit('main', id, { eventsPerSecond: 1 })]).toEqual([false, false])
  expect(find(secret).eventsPerSecond).toBeUndefined()
})
