import { PARTS, type Part } from '#infra/druid/local/jvm.ts'
import { startDruid } from '#infra/druid/local/start.ts'
import { UsageError } from '../lib/args.ts'
import { command, druidFolder } from './command.ts'

const MOST_TASKS = 256

export const partsOf = (only: string | undefined): Part[] | undefined => {
  if (only === undefined) return undefined
  if (Object.hasOwn(PARTS, only)) return [only as Part]
  throw new UsageError(`--only: expected ${Object.keys(PARTS).join(' or ')}, got "${only}"`)
}

export const up = command({
  summary: 'Starts a Druid of one machine and waits until it answers. What runs already is left alone.',
  options: {
    port: { value: 'PORT', help: 'of the router, 0 = any free one; all others are free ones [8888]' },
    only: { value: 'PART', help: `${Object.keys(PARTS).join(' or ')}: only this part of it` },
    'no-indexer': { help: 'without the part that runs tasks: the same as --only core' },
    tasks: { value: 'N', help: 'tasks that can run at once [16]' },
  },
  run: async (args, say) => {
    const folder = druidFolder(args.text('data'))
    const startedAt = performance.now()
    const druid = await startDruid({
      folder,
      parts: partsOf(args.has('no-indexer') ? 'core' : args.text('only')),
      routerPort: args.whole('port', 8888, 0, 65_535),
      tasks: args.whole('tasks', 16, 1, MOST_TASKS),
      env: process.env,
      say,
    })
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10
    say(`Druid answers at ${druid.url} after ${seconds} s; npm run druid -- down ends it`)
    return { result: { ...druid, folder, seconds } }
  },
})
