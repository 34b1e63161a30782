import { fileURLToPath } from 'node:url'
import { ConfigError, helpText, loadConfig } from '#infra/config.ts'
import { type Start, startProduct } from './start.ts'
import { welcomeText } from './welcome.ts'

const HELP = `Starts Millrace: nats-server, gateway, processors and storage.

  npm start -- [flags]

${helpText()}
`
const mainFile = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const MAINS = {
  gateway: mainFile('gateway.main.ts'),
  processor: mainFile('processor.main.ts'),
  storage: mainFile('storage.main.ts'),
  kafka: mainFile('kafka.main.ts'),
  demo: mainFile('../../scripts/demo/demo.main.ts'),
}
/** One Ctrl-C arrives twice: from the terminal, and passed on by npm. */
const SAME_KEY_MS = 500

const say = (line: string) => console.log(`millrace: ${line}`)

/** First signal: drain. Second one: end at once. */
const stopOnSignal = (started: Start): { stopping(): boolean } => {
  let first: number | undefined
  const onSignal = async () => {
    const now = performance.now()
    if (first === undefined) {
      first = now
      say('stopping; once more to stop at once')
      await started.stop()
      say('stopped')
      process.exit(0)
    }
    if (now - first < SAME_KEY_MS) return
    say('stopped at once')
    started.kill()
    process.exit(130)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  return { stopping: () => first !== undefined }
}

const main = async (argv: string[]): Promise<void> => {
  if (argv.includes('--help') || argv.includes('-h')) return console.log(HELP)
  const since = performance.now()
  const config = loadConfig(argv, process.env)
  const started = startProduct({ config, mains: MAINS, env: process.env, say })
  const signals = stopOnSignal(started)
  const product = await started.ready.catch((error) => {
    if (signals.stopping()) return null
    throw error
  })
  if (!product) return
  const { endpoints, keys, durability } = product
  say(`ready after ${((performance.now() - since) / 1000).toFixed(1)} s`)
  console.log(welcomeText(endpoints, keys, config.data, durability))
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(`millrace: ${(error as Error).message}`)
  process.exit(error instanceof ConfigError ? 2 : 1)
}
