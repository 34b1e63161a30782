import type { CheckpointDelta, LoadedPartition } from '#gateway/ports.ts'
import type { AggregateRow, Clock } from '#schema/checkpoint.ts'
import { type TenantTime, tenantTime } from '#schema/status.ts'
import { createLiveSessions } from './live-sessions.ts'
import { noPositions, type Positions, raise } from './positions.ts'
import { foldRow, newSlice, newTable, type Origin, type SliceTable } from './slices.ts'

const NO_TIME = tenantTime([])

const got = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

/** Names the table of what is current: see sweep. */
export interface TableName {
  tenant: string
  metric: string
  version: number
}

/**
 * What a live view knows: recent slices and sessions of all metrics, clocks and marks. Pure: no I/O, no clock of its own.
 * One object lives from one load of all partitions to the next. `horizonMs`: lateness horizon of a tenant.
 */
export const createLiveState = (partitions: number, horizonMs: (tenant: string) => number) => {
  const tables = new Map<string, SliceTable>()
  const clocks = new Map<string, Map<string, Clock>>()
  const times = new Map<string, TenantTime>()
  const marks = new Map<string, number>()
  const applied = noPositions(partitions)
  const loaded = noPositions(partitions)
  const lastAt = noPositions(partitions)
  const sequences = noPositions(partitions)
  let positions: Positions | undefined

  const sessions = createLiveSessions(partitions, (tenant, source, partition) => {
    const clock = clocks.get(tenant)?.get(clockKey(partition, source))
    return clock ? clock.watermark - horizonMs(tenant) : Number.NEGATIVE_INFINITY
  })

  const clockKey = (partition: number, source: string): string => `${partition} ${source}`
  const tableKey = (tenant: string, metric: string, version: number, size: number): string =>
    `${tenant} ${metric} ${version} ${size}`
  const markKey = (tenant: string, metric: string, size: number): string => `${tenant} ${metric} ${size}`

  const noteChange = (partition: number, at: number): void => {
    if (at > lastAt[partition]) lastAt[partition] = at
  }

  const fold = (row: AggregateRow, origin: Origin): void => {
    const key = tableKey(row.tenant, row.metric, row.version, row.size)
    const table = got(tables, key, () => newTable(row, partitions))
    const slice = got(table.slices, row.start, () => newSlice(row.start, partitions))
    foldRow(slice, row, origin)
    const { partition, checkpoint, at } = origin
    if (checkpoint > table.changed[partition]) table.changed[partition] = checkpoint
    noteChange(partition, at)
  }

  const setClock = (partition: number, clock: Clock): void => {
    const ofTenant = got(clocks, clock.tenant, () => new Map<string, Clock>())
    ofTenant.set(clockKey(partition, clock.source), clock)
    times.delete(clock.tenant)
  }

  const raiseMark = (tenant: string, metric: string, size: number, mark: number): void => {
    const key = markKey(tenant, metric, size)
    marks.set(key, Math.max(mark, marks.get(key) ?? Number.NEGATIVE_INFINITY))
  }

  const move = (partition: number, checkpoint: number): void => {
    applied[partition] = checkpoint
    positions = undefined
  }

  const dropOld = (table: SliceTable, now: number, keptMs: number): void => {
    const { tenant, metric, size, slices, forgotten } = table
    for (const slice of slices.values()) {
      if (Math.max(slice.changedAt, slice.start + size) + keptMs > now) continue
      slices.delete(slice.start)
      raise(forgotten, slice.changed)
      raiseMark(tenant, metric, size, slice.start + size)
    }
  }

  return {
    /** State of one partition up to its head; null when it has none yet. `now`: milliseconds since 1970. */
    load(partition: number, state: LoadedPartition | null, now: number): void {
      if (!state) return
      for (const row of state.rows) {
        fold(row, { partition, checkpoint: row.changed, at: row.changedAt, revision: row.revision })
      }
      for (const clock of state.clocks) setClock(partition, clock)
      for (const { tenant, metric, size, mark, sessions: ofSessions } of state.head.marks) {
        if (ofSessions) sessions.raiseMark(tenant, metric, size, mark)
        else raiseMark(tenant, metric, size, mark)
      }
      sessions.load(partition, state.sessions, now)
      for (const { changedAt } of state.sessions) noteChange(partition, changedAt)
      loaded[partition] = state.head.checkpoint
      sequences[partition] = state.head.sequence
      move(partition, state.head.checkpoint)
    },

    /** One whole checkpoint; answers the tenants that it touched. False when it is not the next one. */
    apply(partition: number, { settlement, rows, sessions: sessionRows }: CheckpointDelta): Set<string> | false {
      const { checkpoint, at } = settlement
      if (checkpoint !== applied[partition] + 1) return false
      const touched = new Set<string>()
      for (const row of rows) {
        fold(row, { partition, checkpoint, at, revision: 1 })
        touched.add(row.tenant)
      }
      sessions.apply(sessionRows, { partition, checkpoint, at })
      for (const { tenant } of sessionRows) touched.add(tenant)
      for (const clock of settlement.clocks) {
        setClock(partition, clock)
        touched.add(clock.tenant)
      }
      for (const { tenant } of settlement.definitions) touched.add(tenant)
      noteChange(partition, at)
      sequences[partition] = settlement.to
      move(partition, checkpoint)
      return touched
    },

    /** The same array until the next checkpoint. */
    positions(): Positions {
      positions ??= [...applied]
      return positions
    },
    /** By partition: the checkpoint that was loaded; what had left before it is not known here. */
    loaded: (): Positions => loaded,
    /** Last log sequence of a partition that is settled here. */
    sequence: (partition: number): number => sequences[partition],
    /** When the newest change of a partition was committed, milliseconds since 1970; 0 when not known. */
    lastAt: (partition: number): number => lastAt[partition],

    /** The same object until one of the tenant's clocks moves. */
    time(tenant: string): TenantTime {
      const known = times.get(tenant)
      if (known) return known
      const ofTenant = clocks.get(tenant)
      const time = ofTenant ? tenantTime(ofTenant.values()) : NO_TIME
      times.set(tenant, time)
      return time
    },

    table: (tenant: string, metric: string, version: number, size: number): SliceTable | undefined =>
      tables.get(tableKey(tenant, metric, version, size)),

    /** Windows that start before it may have left: the OLAP store answers them. -Infinity: none ever left. */
    mark: (tenant: string, metric: string, size: number): number =>
      marks.get(markKey(tenant, metric, size)) ?? Number.NEGATIVE_INFINITY,

    sessionTable: sessions.table,
    /** Sessions that have left end at or before it: the OLAP store answers them. -Infinity: none ever left. */
    sessionMark: sessions.mark,

    /** Drops what has not changed for its retention, milliseconds, and tables for which `isCurrent` is false. */
    sweep(now: number, isCurrent: (table: TableName) => boolean, retentionOf: (table: SliceTable) => number): void {
      for (const [key, table] of tables) {
        if (isCurrent(table)) dropOld(table, now, retentionOf(table))
        else tables.delete(key)
      }
      sessions.sweep(now, isCurrent)
    },
  }
}

export type LiveState = ReturnType<typeof createLiveState>
