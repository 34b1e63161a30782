import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fault, Link, PlannedFault, ProcessKind } from './plan.ts'
import type { NatsProxy, Trouble } from './proxy.ts'

export interface FaultTargets {
  /** Pids of what runs now, by name: gateway, gateway-2, nats-server, … */
  pids(): Record<string, number>
  proxy: NatsProxy
  /** Dashboards lose their connections. */
  leave(): void
  /** Told what is done, for the log of the run. */
  say(line: string): void
}

export interface Faults {
  /** How many of each were done: "kill storage", "stop nats-server", "cut all". */
  done: Readonly<Record<string, number>>
  /** Processes that were killed. */
  kills(): number
  /** Goes through a plan; resolves when its last fault is over, or soon after the signal aborts. */
  run(plan: readonly PlannedFault[], signal: AbortSignal): Promise<void>
  /** Lets everybody go on who is stopped. */
  resume(): void
}

const COMES_BACK_MS = 15_000
const LOOK_MS = 50

const signalTo = (pid: number, signal: NodeJS.Signals): boolean => {
  try {
    return process.kill(pid, signal)
  } catch {
    return false // gone already
  }
}

/**
 * Stops a process; answers what lets it go on. A helper that waits on a pipe of ours does it as well: a run that is killed
 * itself leaves nobody stopped.
 */
const stop = (pid: number): (() => void) | null => {
  const helper = spawn('sh', ['-c', 'read -r _; kill -CONT "$0"', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  helper.on('error', () => {})
  const resume = (): void => {
    signalTo(pid, 'SIGCONT')
    helper.stdin.destroy()
  }
  if (signalTo(pid, 'SIGSTOP')) return resume
  resume()
  return null
}

/** Names of the processes' connections, as they give them to NATS. */
const ofLink = (link: Link) => (client: string) => link === 'all' || client === `millrace ${link}`

const isOfKind = (name: string, kind: ProcessKind): boolean => name === kind || name.startsWith(`${kind}-`)

const troubleOf = (fault: Fault): Trouble | null => {
  if (fault.kind === 'delay') return { delayMs: fault.delayMs }
  if (fault.kind === 'narrow') return { bandwidth: fault.bandwidth }
  if (fault.kind === 'freeze') return { frozen: true }
  return fault.kind === 'refuse' ? { refused: true } : null
}

const describe = ({ atMs: _at, place: _place, kind, ...rest }: PlannedFault): string =>
  [kind, ...Object.entries(rest).map(([name, value]) => (typeof value === 'number' ? `${name}=${value}` : value))].join(
    ' ',
  )

/** Does what is planned to processes and their connections. */
export const createFaults = ({ pids, proxy, leave, say }: FaultTargets): Faults => {
  const done: Record<string, number> = {}
  const stopped = new Map<number, () => void>()

  let kills = 0
  const kill = (pid: number): boolean => {
    const isKilled = signalTo(pid, 'SIGKILL')
    if (isKilled) kills++
    return isKilled
  }

  const count = (what: string): void => {
    done[what] = (done[what] ?? 0) + 1
  }

  /** One that runs and is not stopped; waits for one that is being started again. */
  const find = async (kind: ProcessKind, place: number, signal: AbortSignal): Promise<number | undefined> => {
    for (const end = performance.now() + COMES_BACK_MS; performance.now() < end && !signal.aborted; ) {
      const of = Object.entries(pids()).filter(([name, pid]) => isOfKind(name, kind) && !stopped.has(pid))
      if (of.length > 0) return of[Math.floor(place * of.length)][1]
      await delay(LOOK_MS)
    }
    return undefined
  }

  const onProcess = async (fault: PlannedFault & { process: ProcessKind }, signal: AbortSignal): Promise<boolean> => {
    const pid = await find(fault.process, fault.place, signal)
    if (pid === undefined) return false
    if (fault.kind === 'kill') return kill(pid)
    const resume = fault.kind === 'stop' && stop(pid)
    if (!resume) return false
    stopped.set(pid, resume)
    await delay(fault.forMs, undefined, { signal }).catch(() => {})
    stopped.delete(pid)
    resume()
    return true
  }

  const onLink = async (fault: PlannedFault & { link: Link }, signal: AbortSignal): Promise<boolean> => {
    const chosen = ofLink(fault.link)
    const trouble = troubleOf(fault)
    if (!trouble) return proxy.cut(chosen) > 0
    const undo = proxy.trouble(chosen, trouble)
    await delay('forMs' in fault ? fault.forMs : 0, undefined, { signal }).catch(() => {})
    undo()
    return true
  }

  const apply = async (fault: PlannedFault, signal: AbortSignal): Promise<void> => {
    say(describe(fault))
    if (fault.kind === 'leave' || fault.kind === 'blackout') {
      if (fault.kind === 'leave') leave()
      else for (const pid of Object.values(pids())) kill(pid)
      return count(fault.kind)
    }
    const isDone = 'process' in fault ? await onProcess(fault, signal) : await onLink(fault, signal)
    if (isDone) count(`${fault.kind} ${'process' in fault ? fault.process : fault.link}`)
  }

  return {
    done,
    kills: () => kills,
    run: async (plan, signal) => {
      const since = performance.now()
      const applied: Promise<void>[] = []
      for (const fault of plan) {
        await delay(Math.max(0, since + fault.atMs - performance.now()), undefined, { signal }).catch(() => {})
        if (signal.aborted) break
        applied.push(apply(fault, signal))
      }
      await Promise.all(applied)
    },
    resume: () => {
      for (const resume of stopped.values()) resume()
    },
  }
}
