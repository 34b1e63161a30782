import type { WallClock } from '#gateway/ports.ts'
import { MillraceError } from '#schema/errors.ts'
import type { Positions as StoredPositions } from '#schema/olap.ts'
import { covers, type Positions } from './positions.ts'

/** How long a reader waits, milliseconds. */
interface Patience {
  deadlineMs: number
  signal?: AbortSignal
}

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 1_000

const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, ms)
    signal?.addEventListener('abort', finish)
  })

/** Asks the OLAP store until it holds at least `need`. Throws UNAVAILABLE when it does not by the deadline. */
export const waitForStore = async <T extends { positions: StoredPositions }>(
  ask: () => Promise<T>,
  need: Positions,
  { deadlineMs, signal }: Patience,
  clock: WallClock,
): Promise<T> => {
  const deadline = clock.now() + deadlineMs
  let failure: unknown
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, MAX_PAUSE_MS)) {
    try {
      const stored = await ask()
      if (covers(stored.positions, need)) return stored
      failure = undefined
    } catch (error) {
      failure = error
    }
    if (signal?.aborted || clock.now() + wait > deadline) break
    await pause(wait, signal)
  }
  const reason = failure ? 'does not answer' : 'has not yet taken in what was counted'
  throw new MillraceError(
    'UNAVAILABLE',
    `the store of older windows ${reason}; try again in a few seconds, or ask for recent windows only`,
    {},
    { cause: failure },
  )
}
