import { loadConfig } from '#infra/config.ts'
import { createManagement } from '#infra/druid/management.ts'
import { expireSegments } from '#infra/druid/retention.ts'
import { keptBy } from '#infra/retention.ts'
import { command, findDruid, URL_OPTION } from './command.ts'

export const expire = command({
  summary: 'Drops what came longer ago than it is kept: MILLRACE_RAW_DAYS, MILLRACE_MINUTE_DAYS, MILLRACE_HOUR_DAYS.',
  options: URL_OPTION,
  run: async (args, say) => {
    const url = await findDruid(args.text('url'), args.text('data'))
    const kept = keptBy(loadConfig([], process.env))
    const expired = await expireSegments(createManagement({ url }), kept, Date.now())
    for (const { table, interval } of expired) say(`${table} ${interval} is gone`)
    if (expired.length === 0) say('nothing is that old')
    return { result: { url, expired } }
  },
})
