import { setTimeout as delay } from 'node:timers/promises'

/** A process that serves. */
export interface Running {
  pid: number
  /** Resolves when it is gone, with the reason in words: "exit code 1: …", "SIGKILL". */
  exited: Promise<string>
  /** Orderly; ends it hard when that takes too long. */
  stop(): Promise<void>
  kill(): void
}

export interface Service {
  name: string
  /**
   * Resolves when it serves, rejects when it ends before. `onPid` is told as soon as there is a process; `signal`
   * aborts: kill it.
   */
  start(hooks: { signal: AbortSignal; onPid: (pid: number) => void }): Promise<Running>
}

export type ServiceEvent =
  | { kind: 'died'; name: string; reason: string; retryMs: number }
  | { kind: 'back'; name: string; pid: number }
  | { kind: 'pid'; name: string; pid: number | null }

export interface Supervised {
  name: string
  /** Resolves at the first time that it serves; rejects when the first start fails: no second one is tried then. */
  ready: Promise<Running>
  stop(): Promise<void>
  kill(): void
}

/** Back-off between restarts, milliseconds. */
export interface Backoff {
  firstMs: number
  highestMs: number
  /** After so long in service the next restart is a first one again. */
  healthyMs: number
}
const BACKOFF: Backoff = { firstMs: 100, highestMs: 5_000, healthyMs: 60_000 }

/** Keeps one service running: starts it again whenever it ends, until it is stopped. */
export const supervise = (service: Service, onEvent: (event: ServiceEvent) => void, backoff = BACKOFF): Supervised => {
  const { name } = service
  const stopped = new AbortController()
  let running: Running | undefined
  const start = async (): Promise<Running> => {
    const onPid = (pid: number) => onEvent({ kind: 'pid', name, pid })
    running = await service.start({ signal: stopped.signal, onPid })
    return running
  }

  const keep = async (first: Running): Promise<void> => {
    let current = first
    let waitMs = backoff.firstMs
    for (;;) {
      const since = performance.now()
      let reason = await current.exited
      if (performance.now() - since > backoff.healthyMs) waitMs = backoff.firstMs
      for (let next: Running | undefined; next === undefined; waitMs = Math.min(waitMs * 2, backoff.highestMs)) {
        running = undefined
        onEvent({ kind: 'pid', name, pid: null })
        if (stopped.signal.aborted) return
        onEvent({ kind: 'died', name, reason, retryMs: waitMs })
        await delay(waitMs, undefined, { signal: stopped.signal }).catch(() => {})
        if (stopped.signal.aborted) return
        next = await start().catch((error: Error) => {
          reason = error.message
          return undefined
        })
        if (next) current = next
      }
      onEvent({ kind: 'back', name, pid: current.pid })
    }
  }

  const ready = start()
  const over = ready.then(keep, () => onEvent({ kind: 'pid', name, pid: null }))
  return {
    name,
    ready,
    stop: async () => {
      // A start under way is killed: it has taken nothing yet that would have to be drained.
      stopped.abort()
      await running?.stop()
      await over
    },
    kill: () => {
      stopped.abort()
      running?.kill()
    },
  }
}
