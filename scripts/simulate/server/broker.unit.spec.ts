import { brokerContract } from '#infra/nats/broker.contract.ts'
import { createRandom } from '#scripts/demo/random.ts'
import { openSimulatedServer } from './testing.ts'

brokerContract('the simulated server', async () => openSimulatedServer(createRandom(1)))
