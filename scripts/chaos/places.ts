import type { Nats } from '#infra/nats/connect.ts'
import type { Store } from '#infra/testing/store.ts'
import type { ControlRecord } from '#schema/frame.ts'
import { logStream } from '#schema/subjects.ts'
import type { PlacesOfVersions } from './history.ts'

type Row = [metric: string, version: number, partition: number, sequence: number]

const versionOf = (control: ControlRecord): string => {
  if (control.kind === 'defineMetric') return `${control.metric.name} ${control.metric.version}`
  return control.kind === 'deleteMetric' ? `${control.name} ${control.version}` : control.kind
}

/**
 * Where each version of each metric took effect, as the store has it, and where the log says something else: it is the
 * log that decides.
 */
export const readPlaces = async (
  nats: Nats,
  store: Store,
): Promise<{ of: ReadonlyMap<string, PlacesOfVersions>; problems: string[] }> => {
  const rows = (await store.sql(
    `SELECT definition->>'$.name', (definition->>'$.version')::DOUBLE, "partition"::DOUBLE, sequence::DOUBLE
     FROM definitions`,
  )) as Row[]
  const of = new Map<string, Map<number, Map<number, number>>>()
  const problems: string[] = []
  for (const [metric, version, partition, sequence] of rows) {
    const name = `${metric} ${version}`
    const versions = of.get(metric) ?? new Map<number, Map<number, number>>()
    const places = versions.get(version) ?? new Map<number, number>()
    if (places.has(partition)) problems.push(`${name} is known twice in partition ${partition}`)
    places.set(partition, sequence)
    versions.set(version, places)
    of.set(metric, versions)
    const message = await nats.jsm.streams.getMessage(logStream(partition), { seq: sequence })
    const stands = message ? versionOf(message.json<ControlRecord>()) : 'nothing'
    if (stands !== name)
      problems.push(`${name} is known at ${sequence} of partition ${partition}, where ${stands} stands`)
  }
  return { of, problems }
}
