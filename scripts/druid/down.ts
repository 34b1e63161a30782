import { stopDruid } from '#infra/druid/local/start.ts'
import { command, druidFolder } from './command.ts'
import { partsOf } from './up.ts'

export const down = command({
  summary: 'Ends the Druid of the data folder. Its rows stay.',
  options: { only: { value: 'PART', help: 'core or indexer: only this part of it' } },
  run: async (args, say) => {
    const ended = await stopDruid(druidFolder(args.text('data')), { parts: partsOf(args.text('only')) })
    say(ended.length === 0 ? 'nothing runs' : `ended: ${ended.join(', ')}`)
    return { result: { ended } }
  },
})
