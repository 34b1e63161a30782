import { createHash, randomBytes } from 'node:crypto'
import type { KeyKind } from '#schema/keys.ts'

/** A new one, which says what it is for. */
export const newSecret = (kind: KeyKind): string => `mr_${kind.toLowerCase()}_${randomBytes(24).toString('base64url')}`

/** SHA-256 (hex), under which a key is stored: the secret itself is kept nowhere. */
export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex')
