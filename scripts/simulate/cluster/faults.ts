import { BUCKETS, HEADERS, outputFilters, settledSubject, stateStream } from '#schema/subjects.ts'
import type { SimProcess } from '../kernel/process.ts'
import type { Cluster } from './cluster.ts'
import { askProcess } from './rpc.ts'
import { CHANGED, TENANT } from './settings.ts'
import type { World } from './world.ts'

const encoder = new TextEncoder()

interface Fault {
  name: string
  weight: number
  /** Answers what undoes it, if anything must; or when it is over, if it ends by itself. */
  strike(world: World, cluster: Cluster, victim: SimProcess): (() => void) | Promise<unknown> | undefined
}

const FAULTS: readonly Fault[] = [
  { name: 'kill', weight: 4, strike: (_, __, victim) => void victim.kill() },
  {
    name: 'stop',
    weight: 4,
    strike: (_, __, victim) => {
      victim.stop()
      return () => victim.goOn()
    },
  },
  {
    name: 'cut',
    weight: 4,
    strike: (world, _, victim) => {
      world.connections.get(victim)?.cut()
      return () => world.connections.get(victim)?.mend()
    },
  },
  {
    name: 'slow',
    weight: 2,
    strike: (world, _, victim) => {
      const weather = world.connections.get(victim)?.weather
      if (weather) weather.jitterMs = world.weather.jitterMs * world.random.logUniform(10, 300)
      return () => void (weather && Object.assign(weather, world.weather))
    },
  },
  {
    name: 'server',
    weight: 2,
    strike: (world) => {
      if (!world.server.isRunning()) return undefined
      world.server.crash()
      return () => {
        if (world.server.isRunning()) return
        world.server.start()
        for (const connection of world.connections.values()) connection.reconnect()
      }
    },
  },
  {
    // Whoever holds a lease is taken for dead, and somebody else takes what it still works on.
    name: 'lease',
    weight: 2,
    strike: (world) => {
      const partition = world.random.whole(0, world.partitions - 1)
      const subject = `$KV.${BUCKETS.leases}.partition-${partition}`
      const data = encoder.encode(JSON.stringify({ owner: 'nobody', released: true }))
      if (world.server.isRunning()) world.server.publish({ subject, data, headers: {} })
      return undefined
    },
  },
  {
    // Storage is away, and deltas and late events are gone when it is back: they must be made anew from the log.
    name: 'deltas expire',
    weight: 2,
    strike: (world, cluster) => {
      const away = cluster.storages.flatMap((one) => world.connections.get(one.current().process) ?? [])
      for (const connection of away) connection.cut()
      return () => {
        const partition = world.random.whole(0, world.partitions - 1)
        const { aggregates, late } = outputFilters(partition)
        const stream = world.server.stream(stateStream(partition))
        const before = world.random.whole(1, stream.range(world.server.now()).last + 1)
        for (const filter of [aggregates, late]) stream.purge(filter, before)
        for (const connection of away) connection.mend()
      }
    },
  },
  {
    // Everything that storage has is gone: a gateway that is behind must see that checkpoints are missing.
    name: 'outputs expire',
    weight: 2,
    strike: (world) => {
      const partition = world.random.whole(0, world.partitions - 1)
      const stream = world.server.stream(stateStream(partition))
      const stored = String(world.disk.positions[partition])
      const last = stream.history.findLast(
        ({ subject, header }) => subject === settledSubject(partition) && header(HEADERS.checkpoint) === stored,
      )
      for (const filter of Object.values(outputFilters(partition))) stream.purge(filter, (last?.seq ?? 0) + 1)
      return undefined
    },
  },
  {
    name: 'definition',
    weight: 2,
    strike: (world, cluster) => {
      const { random } = world
      const gateway = random.pick(cluster.gateways).current()
      const input = random.pick(CHANGED)
      const change = async (): Promise<void> => {
        const { admin } = await gateway.services
        if (random.chance(0.2)) await admin.remove(TENANT, input.name)
        await admin.define(TENANT, input)
      }
      return gateway.serving() ? askProcess(world, gateway.process, change).catch(() => undefined) : undefined
    },
  },
]

/**
 * Strikes at random moments until `isOver`, then undoes what still lasts; resolves when nothing of it is left. Two faults may last at once; what is killed is
 * started again by its supervisor.
 */
export const strikeFaults = async (world: World, cluster: Cluster, isOver: () => boolean): Promise<number> => {
  const { random, scheduler } = world
  const kinds = FAULTS.filter(() => random.chance(0.7))
  const meanMs = random.logUniform(500, 8_000)
  const lasting = new Set<() => void>()
  const ending: Promise<unknown>[] = []
  let struck = 0
  while (!isOver()) {
    await scheduler.pause(random.exponential(meanMs))
    if (isOver() || kinds.length === 0) break
    const alive = cluster.processes()
    if (alive.length === 0) continue
    const [fault, victim] = [random.weighted(kinds), random.pick(alive)]
    world.say(`fault: ${fault.name} ${victim.name}`)
    struck++
    const undo = fault.strike(world, cluster, victim)
    if (undo instanceof Promise) ending.push(undo)
    if (!undo || undo instanceof Promise) continue
    lasting.add(undo)
    scheduler.after(random.logUniform(50, 9_000), () => {
      if (!lasting.delete(undo)) return
      world.say(`fault over: ${fault.name} ${victim.name}`)
      undo()
    })
  }
  for (const undo of lasting) undo()
  lasting.clear()
  await Promise.all(ending)
  return struck
}
