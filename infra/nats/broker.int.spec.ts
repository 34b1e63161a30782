import { startTestNats } from '../testing/nats.ts'
import { brokerContract } from './broker.contract.ts'
import { connectNats } from './connect.ts'
import { ensureDeployment } from './setup.ts'

brokerContract('nats-server', async () => {
  const server = await startTestNats()
  const nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
  return {
    broker: nats.broker,
    async restart() {
      const { promise, resolve } = Promise.withResolvers<void>()
      const watch = async (): Promise<void> => {
        for await (const { type } of nats.nc.status()) if (type === 'reconnect') return resolve()
      }
      void watch()
      await server.restart()
      await promise
    },
    async remove() {
      await nats.nc.close()
      await server[Symbol.asyncDispose]()
    },
  }
})
