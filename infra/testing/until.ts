import { setTimeout as delay } from 'node:timers/promises'

const LOOK_MS = 50
const DEADLINE_MS = 60_000

/**
 * Waits for something that can only be seen from outside: answers the first result of `look` that is neither undefined
 * nor false. What `look` throws counts as not yet. Throws after the deadline, with the last thing that was seen.
 */
export const until = async <T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs: number = DEADLINE_MS,
): Promise<Exclude<T, undefined | false>> => {
  const end = performance.now() + deadlineMs
  let last: unknown
  while (performance.now() < end) {
    try {
      const seen = await look()
      if (seen !== undefined && seen !== false) return seen as Exclude<T, undefined | false>
      last = seen
    } catch (error) {
      last = error
    }
    await delay(LOOK_MS)
  }
  throw new Error(
    `not within ${deadlineMs} ms: ${what}; last: ${last instanceof Error ? last.message : String(last)}`,
    {
      cause: last,
    },
  )
}
