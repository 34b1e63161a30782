import { CATEGORIES, PRODUCTS, type Product, REFERRERS } from './catalog.ts'
import type { Random } from './random.ts'

/** One thing that a visitor does. */
export interface Action {
  /** Pause before it, milliseconds. */
  afterMs: number
  name: 'page_view' | 'click' | 'conversion' | 'ping'
  properties?: Record<string, unknown>
}

/** Where a visitor stands. */
interface Page {
  path: string
  title: string
  product?: Product
}

const HOME: Page = { path: '/', title: 'Home' }
const CART: Page = { path: '/cart', title: 'Cart' }
const CHECKOUT: Page = { path: '/checkout', title: 'Checkout' }

const productPage = (product: Product): Page => ({ path: product.path, title: product.title, product })
const categoryPage = (path: string): Page => ({ path, title: path.slice('/c/'.length) })

/** A visit from the first page to the last: home → category → product → cart → checkout, and many that leave before. */
export function* journey(random: Random): Generator<Action, void> {
  const cart: Product[] = []
  let page: Page | undefined = random.chance(0.6) ? HOME : productPage(random.pick(PRODUCTS))
  let referrer = random.weighted(REFERRERS).text
  let afterMs = 0
  while (page) {
    yield pageView(random, page, referrer, afterMs)
    if (page === CHECKOUT && random.chance(0.7)) yield order(random, cart)
    yield* stay(random, page, cart)
    referrer = undefined
    afterMs = random.exponential(4_000)
    page = nextPage(random, page, cart)
  }
}

const pageView = (random: Random, { path, title }: Page, referrer: string | undefined, afterMs: number): Action => ({
  afterMs,
  name: 'page_view',
  properties: {
    path,
    title,
    ...(referrer !== undefined && { referrer }),
    method: 'GET',
    status: random.chance(0.004) ? random.pick([404, 500]) : 200,
    bytes: random.whole(6_000, 90_000),
  },
})

const order = (random: Random, cart: Product[]): Action => {
  const amount = cart.reduce((sum, { price }) => sum + price, 0)
  const items = cart.length
  cart.length = 0
  return {
    afterMs: random.whole(20_000, 60_000),
    name: 'conversion',
    properties: { amount: Math.round(amount * 100) / 100, currency: 'EUR', items },
  }
}

const PING_MS = 15_000

/** Reading a page: now and then a click, and a sign of life every 15 s. */
function* stay(random: Random, page: Page, cart: Product[]): Generator<Action, void> {
  let leftMs = random.exponential(11_000)
  for (; leftMs > PING_MS; leftMs -= PING_MS) yield { afterMs: PING_MS, name: 'ping' }
  const target = clickTarget(random, page)
  if (target === undefined) return
  if (target === 'add-to-cart') cart.push(page.product!)
  yield { afterMs: leftMs, name: 'click', properties: { path: page.path, target } }
}

const clickTarget = (random: Random, page: Page): string | undefined => {
  if (page.product && random.chance(0.2)) return 'add-to-cart'
  return random.chance(0.25) ? random.pick(['menu', 'gallery', 'reviews', 'size-guide', 'filter']) : undefined
}

const nextPage = (random: Random, page: Page, cart: readonly Product[]): Page | undefined => {
  if (page === CHECKOUT) return undefined
  if (page === CART) return random.chance(0.55) ? CHECKOUT : somewhere(random, 0.5)
  if (cart.length > 0 && random.chance(0.5)) return CART
  return page.product ? somewhere(random, 0.35) : somewhere(random, 0.25)
}

/** The next page of the shop, or out of it. */
const somewhere = (random: Random, leaving: number): Page | undefined => {
  if (random.chance(leaving)) return undefined
  // Products at the front of the list are looked at more often than those behind.
  const place = Math.floor(random.next() ** 2 * PRODUCTS.length)
  return random.chance(0.4) ? categoryPage(random.pick(CATEGORIES)) : productPage(PRODUCTS[place])
}
