import type { EventVerdict } from '#gateway/collect/verdict.ts'
import { type ClientEvent, eventKey, LIVE_SOURCE } from '#schema/event.ts'
import { formatTime } from '#schema/time.ts'
import { uuidV7 } from '#scripts/demo/random.ts'
import { BEGIN_MS } from '../kernel/globals.ts'
import type { Cluster } from './cluster.ts'
import { askProcess } from './rpc.ts'
import { TENANT } from './settings.ts'
import type { World } from './world.ts'

const PATHS = ['/a', '/b', '/c', undefined]
const PATIENCE_MS = 12_000

export const identityOf = (source: string, event: ClientEvent): string =>
  JSON.stringify([TENANT, source, eventKey(event), event.id])

/** How far an event's time is from now: mostly a little behind, some too late, some ahead, a few out of range. */
const offsetMs = ({ random }: World): number => {
  const kinds = [
    { weight: 70, from: -4_000, to: 0 },
    { weight: 14, from: -60_000, to: -4_000 },
    { weight: 8, from: -240_000, to: -60_000 },
    { weight: 6, from: 0, to: 60_000 },
    { weight: 2, from: 90_000_000, to: 90_000_001 },
  ]
  const { from, to } = random.weighted(kinds)
  return random.whole(from, to)
}

/** What one app sends, and what it was told. */
const makeEvent = (world: World, name: string, number: number): ClientEvent => {
  const { random } = world
  const time = BEGIN_MS + Math.floor(world.scheduler.now()) + offsetMs(world)
  const inId = random.chance(0.1) && time > BEGIN_MS
  const session: { sessionId?: string } = random.chance(0.7) ? { sessionId: `${name}-${random.whole(0, 3)}` } : {}
  // An id belongs to its key: sessions of other apps choose the same.
  const isShared = session.sessionId !== undefined && random.chance(0.3)
  const user = random.chance(0.5) ? { userId: `user-${random.whole(0, 5)}` } : {}
  const path = random.pick(PATHS)
  return {
    id: inId ? uuidV7(random, time) : `${isShared ? 'visit' : name}-${number}`,
    name: random.pick(['view', 'view', 'buy']),
    ...(inId ? {} : { time: formatTime(time) }),
    ...session,
    ...user,
    properties: {
      ...(path === undefined ? {} : { path }),
      ...(random.chance(0.6) ? { amount: random.whole(0, 400) / 4 } : {}),
    },
  }
}

export interface Sent {
  /** Identities that somebody was told to be on disk. */
  acknowledged: Set<string>
  /** Identities that somebody was told to be shed. */
  shed: Set<string>
  /** Batches that were sent again. */
  retries: number
}

/** One app: sends batches, and sends again what it has no verdict on, under the same ids. */
const runClient = async (world: World, cluster: Cluster, name: string, sent: Sent): Promise<void> => {
  const { random } = world
  const source = random.chance(0.8) ? LIVE_SOURCE : `import-${name}`
  const former: ClientEvent[] = []
  let number = 0

  const post = async (events: ClientEvent[]): Promise<readonly EventVerdict[]> => {
    const gateway = random.pick(cluster.gateways).current()
    if (!gateway.serving()) throw new Error('connection refused')
    const { collector } = await gateway.services
    const receipt = askProcess(world, gateway.process, () => collector.collect({ tenant: TENANT, source, events }))
    const late = world.scheduler.pause(PATIENCE_MS).then(() => {
      throw new Error('no answer in time')
    })
    return (await Promise.race([receipt, late])).verdicts
  }

  /** Until every event has a verdict that is final. */
  const deliver = async (batch: ClientEvent[]): Promise<void> => {
    let left = batch
    for (let tries = 0; left.length > 0 && tries < 40; tries++) {
      if (tries > 0) {
        sent.retries++
        await world.scheduler.pause(random.exponential(1_000))
      }
      try {
        const verdicts = await post(left)
        for (const { index, status } of verdicts) {
          if (status === 'ACCEPTED') sent.acknowledged.add(identityOf(source, left[index]))
          if (status === 'SHED') sent.shed.add(identityOf(source, left[index]))
        }
        left = verdicts.filter(({ retryable }) => retryable).map(({ index }) => left[index])
      } catch {
        // No answer, or none that is final: the same again.
      }
    }
  }

  const batches = random.whole(4, 16)
  for (let i = 0; i < batches; i++) {
    await world.scheduler.pause(random.exponential(1_500))
    const fresh = Array.from({ length: random.whole(1, 6) }, () => makeEvent(world, name, number++))
    const again = former.filter(() => random.chance(0.05))
    former.push(...fresh)
    await deliver([...fresh, ...again])
  }
}

/** Several apps at once; resolves when all have sent everything. */
export const runClients = async (world: World, cluster: Cluster): Promise<Sent> => {
  const sent: Sent = { acknowledged: new Set(), shed: new Set(), retries: 0 }
  const names = Array.from({ length: world.random.whole(1, 4) }, (_, i) => `app${i}`)
  await Promise.all(names.map((name) => runClient(world, cluster, name, sent)))
  return sent
}
