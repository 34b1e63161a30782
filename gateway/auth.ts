import { MillraceError } from '#schema/errors.ts'
import type { KeyKind, KeyRecord } from '#schema/keys.ts'
import { createBoundedCache } from './collect/bounded-cache.ts'
import { hashSecret } from './keys/secret.ts'
import type { KeyStore } from './ports.ts'

/** What an operation needs: to send events, to read, or to change definitions and keys. */
export type Right = 'WRITE' | 'READ' | 'ADMIN'

const MAY: Record<Right, readonly KeyKind[]> = {
  WRITE: ['WRITE', 'ADMIN'],
  READ: ['READ', 'ANALYST', 'ADMIN'],
  ADMIN: ['ADMIN'],
}

/** No secret of ours is nearly as long; more is not worth hashing. */
const SECRET_CHARS = 512

/** Finds the key of a request by its secret. Remembers hashes, not answers: a key that is revoked ends at once. */
export const createAuthenticator = (keys: KeyStore) => {
  const hashes = createBoundedCache<string>(10_000)

  /**
   * `authorization` is the header `Bearer <key>`; `key` the plain secret, for clients that cannot set headers. Throws
   * UNAUTHENTICATED.
   */
  return (authorization: string | undefined, key?: string | null): KeyRecord => {
    const secret = authorization === undefined ? key : bearer(authorization)
    if (!secret) {
      throw new MillraceError(
        'UNAUTHENTICATED',
        'Expected "Authorization: Bearer <key>", found no key. Keys are in keys.json of the data folder.',
      )
    }
    const record = secret.length > SECRET_CHARS ? undefined : keys.find(hashes.get(secret, hashSecret))
    if (record) return record
    throw new MillraceError(
      'UNAUTHENTICATED',
      'The key is not known: mistyped, revoked, or of another deployment. Keys are in keys.json of the data folder.',
    )
  }
}

export type Authenticate = ReturnType<typeof createAuthenticator>

/** Whether the key's kind has the right. */
export const mayDo = ({ kind }: KeyRecord, right: Right): boolean => MAY[right].includes(kind)

/** Throws FORBIDDEN when the key's kind does not have the right. */
export const requireRight = (record: KeyRecord, right: Right): void => {
  if (mayDo(record, right)) return
  throw new MillraceError(
    'FORBIDDEN',
    `This needs a key of kind ${MAY[right].join(' or ')}, the key is of kind ${record.kind}. Use another key.`,
  )
}

const bearer = (authorization: string): string | null => /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? null
