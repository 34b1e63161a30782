import { type Right, requireRight } from '#gateway/auth.ts'
import type { KeyRecord } from '#schema/keys.ts'
import type { GraphqlContext } from './context.ts'

/** The request's key, if it has the right. Throws FORBIDDEN. */
export const need = ({ key }: GraphqlContext, right: Right): KeyRecord => {
  requireRight(key, right)
  return key
}
