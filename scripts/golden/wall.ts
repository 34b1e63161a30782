import type { CaseStep } from './case-file.ts'
import type { Dashboard } from './dashboard.ts'
import { type GoldenReader, type Show, shownAs } from './reader.ts'

const keyOf = ({ show, tenant, by, where }: Show): string => JSON.stringify([show, tenant, by, where])

/** A dashboard for each question that the steps ask. */
export const createWall = (steps: readonly CaseStep[], reader: GoldenReader) => {
  const dashboards = new Map<string, Dashboard>()
  for (const step of steps) {
    if ('show' in step && !dashboards.has(keyOf(step))) dashboards.set(keyOf(step), reader.dashboard(step))
  }
  return {
    async pull(): Promise<void> {
      for (const dashboard of dashboards.values()) await dashboard.pull()
    },
    points: (show: Show): string[] => shownAs(show, dashboards.get(keyOf(show))?.points() ?? []),
    async close(): Promise<void> {
      for (const dashboard of dashboards.values()) await dashboard.close()
    },
  }
}
