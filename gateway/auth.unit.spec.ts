import { expect, it } from 'vitest'
import { createAuthenticator, type Right, requireRight } from './auth.ts'
import { createMemoryKeys } from './testing/fakes.ts'

const authenticate = createAuthenticator(createMemoryKeys({ w: 'WRITE', r: 'READ', n: 'ANALYST', a: 'ADMIN' }))
const codeOf = (run: () => unknown): string => {
  try {
    run()
    return 'none'
  } catch (error) {
    return (error as { code: string }).code
  }
}

it('a key is known by the header, or by itself where there is no header', () => {
  expect(authenticate('Bearer w').kind).toBe('WRITE')
  expect(authenticate('bearer  r ').kind).toBe('READ')
  expect(authenticate(undefined, 'a').kind).toBe('ADMIN')
})

it('no key, an unknown one, another scheme or a wrong header beside a right key are UNAUTHENTICATED', () => {
  const wrong: [string | undefined, string?][] = [
    [undefined],
    ['Bearer x'],
    ['Basic w'],
    ['Bearer '],
    ['w'],
    ['Bearer x', 'w'],
    [`Bearer ${'w'.repeat(5000)}`],
  ]
  for (const [header, key] of wrong) expect(codeOf(() => authenticate(header, key))).toBe('UNAUTHENTICATED')
})

it('a key that is revoked ends at once', () => {
  const keys = createMemoryKeys({ w: 'WRITE' })
  let revoked = false
  const authenticateOne = createAuthenticator({ find: (hash) => (revoked ? undefined : keys.find(hash)) })
  authenticateOne('Bearer w')
  revoked = true
  expect(codeOf(() => authenticateOne('Bearer w'))).toBe('UNAUTHENTICATED')
})

it('each kind has its rights and no other', () => {
  const rights = (key: string) =>
    (['WRITE', 'READ', 'ADMIN'] as Right[]).filter(
      (right) => codeOf(() => requireRight(authenticate(undefined, key), right)) === 'none',
    )
  expect(['w', 'r', 'n', 'a'].map(rights)).toEqual([['WRITE'], ['READ'], ['READ'], ['WRITE', 'READ', 'ADMIN']])
})
