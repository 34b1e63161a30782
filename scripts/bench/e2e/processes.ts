import { cpuSecondsOf, rssMb } from '#scripts/lib/usage.ts'

/** What processes of one kind use: seconds of a core since they began, megabytes of resident memory now. */
export interface Usage {
  cpuSeconds: number
  rssMb: number
}

/** `gateway-2` is a gateway. */
const kindOf = (name: string): string => name.replace(/-\d+$/, '')

/** Usage by kind of process, those included that have ended since the last look. */
export const createUsageReader = (pids: () => Record<string, number>) => {
  /** What a process had used when it was last seen. */
  const seen = new Map<number, { kind: string; cpuSeconds: number }>()
  return async (): Promise<Record<string, Usage>> => {
    const usage: Record<string, Usage> = {}
    for (const [name, pid] of Object.entries(pids())) {
      const kind = kindOf(name)
      const cpuSeconds = (await cpuSecondsOf(pid)) ?? seen.get(pid)?.cpuSeconds ?? 0
      seen.set(pid, { kind, cpuSeconds })
      usage[kind] ??= { cpuSeconds: 0, rssMb: 0 }
      usage[kind].rssMb += await rssMb(pid)
    }
    for (const { kind, cpuSeconds } of seen.values()) {
      usage[kind] ??= { cpuSeconds: 0, rssMb: 0 }
      usage[kind].cpuSeconds += cpuSeconds
    }
    return usage
  }
}

export type UsageReader = ReturnType<typeof createUsageReader>
