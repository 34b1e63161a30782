import type { EventLine } from '#schema/event.ts'
import { createRandom } from '#scripts/demo/random.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** A Monday. */
const START = Date.UTC(2024, 3, 1)
const COUNTRIES = ['DE', 'FR', 'NL']
const PATHS = ['/', '/p/1', '/p/2', '/cart', '/checkout']

/** Three weeks of a small shop: the same events at every call. What analysts ask is asked of these. */
export const shopWeeks = (): EventLine[] => {
  const random = createRandom(7)
  const lines: EventLine[] = []
  const send = (time: number, user: number, visit: string, name: string, properties: Record<string, unknown>): void => {
    const id = `e${lines.length}`
    const key = visit
    const e = { id, name, sessionId: visit, userId: `u${user}`, properties }
    const country = COUNTRIES[user % COUNTRIES.length]
    lines.push({ tenant: 'main', source: 'live', receivedAt: time, time, key, weight: 1, country, schema: 0, e })
  }
  for (let user = 0; user < 40; user++) {
    const firstWeek = user % 3
    for (let week = firstWeek; week < 3; week++) {
      if (week > firstWeek && random.chance(0.5)) continue
      const visit = `s${user}-${week}`
      let time = START + week * 7 * DAY + random.whole(0, 6) * DAY + random.whole(8 * 60, 20 * 60) * MINUTE
      for (let views = random.whole(1, 6); views > 0; views--) {
        send(time, user, visit, 'page_view', { path: random.pick(PATHS), bytes: random.whole(1_000, 9_000) })
        time += random.whole(1, 20) * MINUTE
      }
      // Back after a pause: another session of the same visit's id.
      if (random.chance(0.2)) time += 2 * HOUR
      if (random.chance(0.6)) send(time, user, visit, 'click', { target: 'add to cart' })
      time += random.whole(1, 10) * MINUTE
      if (random.chance(0.5)) send(time, user, visit, 'conversion', { amount: random.whole(500, 20_000) / 100 })
    }
  }
  return lines
}
