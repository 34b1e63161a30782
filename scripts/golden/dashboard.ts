import type { Point } from '#gateway/live/points.ts'
import type { Update } from '#gateway/live/subscription.ts'
import { createPuller } from '#gateway/live/testing.ts'
import { MillraceError } from '#schema/errors.ts'
import { compareText } from '#schema/text-order.ts'

const keyOf = ({ windowStart, dimensions }: Point): string => JSON.stringify([windowStart, dimensions])

const compare = (a: Point, b: Point): number => {
  const byDimensions = a.dimensions.map((one, i) => compareText(one ?? '', b.dimensions[i] ?? ''))
  return a.windowStart - b.windowStart || (byDimensions.find((order) => order !== 0) ?? 0)
}

const isUnknown = (error: unknown): boolean => error instanceof MillraceError && error.code === 'METRIC_UNKNOWN'

/** Somebody who subscribes to a metric as soon as there is one, and keeps all that is pushed, what is retracted included. */
export const createDashboard = (subscribe: () => Promise<AsyncIterator<Update>>) => {
  const points = new Map<string, Point>()
  let puller: ReturnType<typeof createPuller<Update>> | undefined

  const take = async (): Promise<void> => {
    puller ??= createPuller(await subscribe())
    for (const update of await puller.pull()) {
      if (update.kind === 'RESET') points.clear()
      for (const point of update.points) points.set(keyOf(point), point)
    }
  }

  return {
    /** Takes what has been pushed since the last call. */
    async pull(): Promise<void> {
      try {
        await take()
      } catch (error) {
        if (!isUnknown(error)) throw error
        points.clear()
        puller = undefined
      }
    },
    /** What it shows, by start and dimensions. */
    points: (): Point[] => [...points.values()].sort(compare),
    close: async (): Promise<void> => puller?.end(),
  }
}

export type Dashboard = ReturnType<typeof createDashboard>
