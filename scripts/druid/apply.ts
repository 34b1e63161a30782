import { readFile } from 'node:fs/promises'
import { applySpecs } from '#infra/druid/apply.ts'
import { createManagement } from '#infra/druid/management.ts'
import { readSpecs } from '#infra/druid/specs.ts'
import { UsageError } from '../lib/args.ts'
import { renderTable } from '../lib/table.ts'
import { command, findDruid, findKafka, URL_OPTION } from './command.ts'

const MOST_TASKS = 64

const readConsumer = async (file: string | undefined): Promise<Record<string, string> | undefined> => {
  if (file === undefined) return undefined
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, string>
  } catch (error) {
    throw new UsageError(`--consumer: ${file}: ${(error as Error).message}`)
  }
}

export const apply = command({
  summary: 'Makes a Druid what the files say: supervisors, rules, compaction. What is so already is left alone.',
  options: {
    ...URL_OPTION,
    kafka: { value: 'HOSTS', help: 'host:port,host:port of Kafka servers [of the data folder]' },
    consumer: { value: 'FILE', help: 'JSON file of more consumer properties: TLS, SASL' },
    tasks: { value: 'N', help: 'tasks that read each topic side by side [as it is, else 1]' },
    replicas: { value: 'N', help: 'copies of each task [as it is, else 1]' },
    specs: { value: 'DIR', help: 'folder of the files [infra/deploy/druid]' },
  },
  run: async (args, say) => {
    const url = await findDruid(args.text('url'), args.text('data'))
    const applied = await applySpecs(createManagement({ url }), await readSpecs(args.text('specs')), {
      kafka: await findKafka(args.text('kafka'), args.text('data')),
      consumer: await readConsumer(args.text('consumer')),
      ...(args.has('tasks') ? { tasks: args.whole('tasks', 1, 1, MOST_TASKS) } : {}),
      ...(args.has('replicas') ? { replicas: args.whole('replicas', 1, 1, MOST_TASKS) } : {}),
    })
    say(renderTable(applied.map(({ kind, table, change }) => [kind, table, change])))
    return { result: { url, applied } }
  },
})
