import type { NatsConnection } from '@nats-io/transport-node'
import { pause } from './follow.ts'

/** Whether an acknowledgement means that the event is on disk, as far as anybody says so. */
export interface Durability {
  level: 'FSYNCED' | 'UNVERIFIED'
  /** Why it is not known, in words; empty when it is. */
  reason: string
}

const FSYNCED: Durability = { level: 'FSYNCED', reason: '' }
const unverified = (reason: string): Durability => ({ level: 'UNVERIFIED', reason })

const ASK_MS = 2_000
/** After a reconnect the server's monitoring may be a moment behind. */
const TRIES = 5
const RETRY_MS = 500

interface Varz {
  server_id?: string
  jetstream?: { config?: { sync_always?: boolean; sync_interval?: number } }
}

/** What one server says of itself; a text is what is wrong with it. */
const ask = async (monitorUrl: string): Promise<Varz | string> => {
  try {
    const response = await fetch(new URL('/varz', monitorUrl), { signal: AbortSignal.timeout(ASK_MS) })
    return response.ok ? ((await response.json()) as Varz) : `${monitorUrl} answers ${response.status} to /varz`
  } catch {
    return `${monitorUrl} does not answer as a server's monitoring does`
  }
}

const complaint = ({ jetstream }: Varz, monitorUrl: string): string | null => {
  if (!jetstream?.config) return `the server at ${monitorUrl} tells nothing of JetStream`
  if (jetstream.config.sync_always === true) return null
  const interval = jetstream.config.sync_interval
  const every = interval ? `every ${interval / 1e9} s` : 'now and then'
  return `the server at ${monitorUrl} syncs ${every}: set sync_interval: always in its jetstream block`
}

/**
 * FSYNCED when every server at these monitoring addresses (one, or several with commas between) says that it syncs each
 * write, and the one that `connectedTo` names is among them. Nobody's silence counts as a yes.
 */
export const readDurability = async (monitorUrls: string | undefined, connectedTo?: string): Promise<Durability> => {
  if (monitorUrls === undefined) return unverified('no monitoring address is known: give --nats-monitor-url')
  const urls = monitorUrls.split(',')
  const answers = await Promise.all(urls.map(ask))
  const ids: (string | undefined)[] = []
  for (const [i, answer] of answers.entries()) {
    if (typeof answer === 'string') return unverified(answer)
    const problem = complaint(answer, urls[i])
    if (problem) return unverified(problem)
    ids.push(answer.server_id)
  }
  if (connectedTo === undefined || ids.includes(connectedTo)) return FSYNCED
  return unverified(`${monitorUrls} is not the monitoring of the server that is connected to`)
}

/**
 * Reads it, and again after every reconnect: a server comes back as it is configured then, or it is another one of its
 * cluster. Until the answer has come, what is not known is not claimed.
 */
export const watchDurability = async (
  nc: NatsConnection,
  monitorUrls: string | undefined,
  onChange: (durability: Durability) => void,
): Promise<{ now(): Durability }> => {
  let known = await readDurability(monitorUrls, nc.info?.server_id)
  let round = 0
  const set = (durability: Durability): void => {
    if (durability.level === known.level && durability.reason === known.reason) return
    known = durability
    onChange(durability)
  }
  const readAgain = async (): Promise<void> => {
    const mine = ++round
    for (let tries = 1; ; tries++) {
      const answer = await readDurability(monitorUrls, nc.info?.server_id)
      if (mine !== round) return
      if (answer.level === 'FSYNCED' || tries === TRIES || monitorUrls === undefined) return set(answer)
      await pause(RETRY_MS)
    }
  }
  const follow = async (): Promise<void> => {
    for await (const { type } of nc.status()) {
      if (type === 'reconnect') void readAgain()
      else if (type === 'disconnect') {
        round++
        set(unverified('there is no connection to the server'))
      }
    }
  }
  void follow().catch(() => set(unverified('the connection is no longer followed')))
  onChange(known)
  return { now: () => known }
}
