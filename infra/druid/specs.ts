import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type Json = string | number | boolean | null | Json[] | JsonObject
export type JsonObject = { [name: string]: Json }

/** What Millrace wants of a Druid, from files: by table. */
export interface DruidSpecs {
  supervisors: Record<string, JsonObject>
  rules: Record<string, Json>
  compaction: Record<string, JsonObject>
}

/** What differs from one deployment to the other. */
export interface SpecOptions {
  /** Addresses of Kafka servers, with commas between. */
  kafka: string
  /** More for the consumer: TLS, SASL. */
  consumer?: Record<string, string>
  /** Tasks that read a topic side by side; at most as many as there are partitions. Default: as in Druid, else 1. */
  tasks?: number
  /** Copies of each task. Default: as in Druid, else 1. */
  replicas?: number
  /** How long a task reads before it hands its segments over, ISO 8601. */
  taskDuration?: string
  /** How often the supervisor looks, ISO 8601. */
  period?: string
}

const FOLDER = fileURLToPath(new URL('../deploy/druid/', import.meta.url))

const readJson = async (file: string): Promise<JsonObject> => JSON.parse(await readFile(file, 'utf8')) as JsonObject

const readFolder = async (folder: string): Promise<Record<string, JsonObject>> => {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).toSorted()
  const entries = names.map(async (name) => [name.replace('.json', ''), await readJson(join(folder, name))] as const)
  return Object.fromEntries(await Promise.all(entries))
}

/** The files of infra/deploy/druid, or of a folder like it. */
export const readSpecs = async (folder: string = FOLDER): Promise<DruidSpecs> => {
  const [supervisors, rules, compaction] = await Promise.all([
    readFolder(join(folder, 'supervisors')),
    readJson(join(folder, 'rules.json')),
    readFolder(join(folder, 'compaction')),
  ])
  return { supervisors, rules, compaction }
}

const object = (value: Json | undefined): JsonObject => value as JsonObject

const given = (values: Record<string, Json | undefined>): JsonObject =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as JsonObject

/** Of the spec as it is sent: tells whether the one that runs was made from the same file and options. */
const MARK = 'millrace'

/** A supervisor of one deployment. */
export const withOptions = (supervisor: JsonObject, options: SpecOptions): JsonObject => {
  const spec = object(supervisor.spec)
  const io = object(spec.ioConfig)
  const consumerProperties = {
    ...object(io.consumerProperties),
    'bootstrap.servers': options.kafka,
    ...options.consumer,
  }
  const { tasks: taskCount, replicas, taskDuration, period } = options
  const ioConfig = { ...io, ...given({ taskCount, replicas, taskDuration, period }), consumerProperties }
  const wanted = { ...supervisor, spec: { ...spec, ioConfig } }
  const mark = createHash('sha256').update(JSON.stringify(wanted)).digest('hex').slice(0, 16)
  return { ...wanted, context: { ...object(supervisor.context), [MARK]: mark } }
}
