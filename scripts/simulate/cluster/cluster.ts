import type { SimProcess } from '../kernel/process.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { startProcessor } from './processor.ts'
import { startStorageProcess } from './storage.ts'
import { type Member, type Supervised, supervise } from './supervise.ts'
import type { World } from './world.ts'

/** The product's processes in one world. */
export interface Cluster {
  processors: Supervised<Member>[]
  gateways: Supervised<Gateway>[]
  storages: Supervised<Member>[]
  /** Those that are alive. */
  processes(): SimProcess[]
  /** All are alive, and gateways serve. */
  isUp(): boolean
}

export const startCluster = (world: World): Cluster => {
  const { random } = world
  const several = <T extends Member>(kind: string, most: number, start: (name: string) => T): Supervised<T>[] =>
    Array.from({ length: random.whole(1, most) }, (_, i) => supervise(world, `${kind}-${i}`, start))
  const processors = several('processor', 3, (name) => startProcessor(world, name))
  const gateways = several('gateway', 2, (name) => startGateway(world, name))
  const storages = several('storage', 2, (name) => startStorageProcess(world, name))
  return {
    processors,
    gateways,
    storages,
    isUp: () =>
      [...processors, ...storages].every((one) => one.current().process.isAlive()) &&
      gateways.every((one) => one.current().serving()),
    processes: () =>
      [...processors, ...gateways, ...storages].map((one) => one.current().process).filter((one) => one.isAlive()),
  }
}
