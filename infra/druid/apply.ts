import type { Management } from './management.ts'
import { holds } from './same.ts'
import { type DruidSpecs, type Json, type JsonObject, type SpecOptions, withOptions } from './specs.ts'

type Change = 'created' | 'updated' | 'unchanged'

/** What was done with one thing. */
export interface Applied {
  kind: 'supervisor' | 'rules' | 'compaction'
  table: string
  change: Change
}

const SUPERVISORS = '/druid/indexer/v1/supervisor'
const RULES = '/druid/coordinator/v1/rules'
const COMPACTION = '/druid/coordinator/v1/config/compaction'

const changeOf = (found: Json | undefined, isSame: boolean): Change => {
  if (isSame) return 'unchanged'
  return found === undefined ? 'created' : 'updated'
}

type Spec = JsonObject & { spec?: JsonObject }

/** Whether the supervisor that runs is the wanted one. Druid answers the spec's parts once more at the top: `spec` counts. */
const isSameSupervisor = (found: Spec | undefined, wanted: Spec): boolean =>
  found !== undefined &&
  holds(found.context, wanted.context) &&
  holds(found.spec, { ...wanted.spec }) &&
  found.suspended !== true

/** How many tasks read is decided for a Druid, not by each who applies: what is not said stays as it is there. */
const sizeOf = (found: Spec | undefined): Pick<SpecOptions, 'tasks' | 'replicas'> => {
  const { taskCount, replicas } = (found?.spec?.ioConfig ?? {}) as { taskCount?: number; replicas?: number }
  return { ...(taskCount ? { tasks: taskCount } : {}), ...(replicas ? { replicas } : {}) }
}

const applySupervisor = async (
  druid: Management,
  table: string,
  file: JsonObject,
  options: SpecOptions,
): Promise<Applied> => {
  const found = (await druid.get(`${SUPERVISORS}/${table}`)) as Spec | undefined
  const wanted = withOptions(file, { ...sizeOf(found), ...options })
  const change = changeOf(found, isSameSupervisor(found, wanted))
  // Druid hands the old one's tasks over and starts the new one at their offsets: nothing is read twice.
  if (change !== 'unchanged') await druid.post(SUPERVISORS, wanted)
  return { kind: 'supervisor', table, change }
}

const applyRules = async (druid: Management, table: string, wanted: Json): Promise<Applied> => {
  const found = (await druid.get(`${RULES}/${table}`)) as Json[]
  const change = changeOf(found.length === 0 ? undefined : found, holds(found, wanted))
  if (change !== 'unchanged') await druid.post(`${RULES}/${table}`, wanted)
  return { kind: 'rules', table, change }
}

const applyCompaction = async (druid: Management, table: string, wanted: JsonObject): Promise<Applied> => {
  const found = (await druid.get(`${COMPACTION}/${table}`)) as Json | undefined
  const change = changeOf(found, holds(found, wanted))
  if (change !== 'unchanged') await druid.post(COMPACTION, wanted)
  return { kind: 'compaction', table, change }
}

/**
 * Makes a Druid what the specs say. What is so already is left alone, so tasks go on; what differs, also by hand, is
 * replaced. Rules and compaction first: no segment shall be handled by others for a moment.
 */
export const applySpecs = async (druid: Management, specs: DruidSpecs, options: SpecOptions): Promise<Applied[]> => {
  const applied: Applied[] = []
  for (const [table, rules] of Object.entries(specs.rules)) applied.push(await applyRules(druid, table, rules))
  for (const [table, one] of Object.entries(specs.compaction)) applied.push(await applyCompaction(druid, table, one))
  for (const [table, one] of Object.entries(specs.supervisors)) {
    applied.push(await applySupervisor(druid, table, one, options))
  }
  return applied
}
