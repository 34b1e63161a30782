import { COUNTRIES, USER_AGENTS } from './catalog.ts'
import { createRandom } from './random.ts'

/** Somebody who comes to the shop, again and again from the same device. */
export interface Visitor {
  anonymousId: string
  /** Only of those who have an account. */
  userId?: string
  context: { ip: string; userAgent: string; locale: string }
}

/** The visitor of this number: the same each time. */
export const visitor = (seed: number, number: number): Visitor => {
  const random = createRandom(seed, number + 1)
  const { block, locale } = random.weighted(COUNTRIES)
  return {
    anonymousId: `visitor-${number}`,
    ...(random.chance(0.3) && { userId: `customer-${number}` }),
    context: {
      ip: `${block}.${random.whole(0, 255)}.${random.whole(1, 254)}`,
      userAgent: random.weighted(USER_AGENTS).text,
      locale,
    },
  }
}
