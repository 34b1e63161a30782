import { expect, test, vi } from 'vitest'
import { type Running, type Service, type ServiceEvent, supervise } from './supervise.ts'

const BACKOFF = { firstMs: 1, highestMs: 4, healthyMs: 60_000 }

/** A service whose processes end when the test says so. */
const fakeService = (backoff = BACKOFF) => {
  const starts: { end: (reason: string) => void; fail: (error: Error) => void; ready: () => void; aborted: boolean }[] =
    []
  const stopped: number[] = []
  const start: Service['start'] = ({ signal, onPid }) =>
    new Promise((resolve, reject) => {
      const pid = starts.length + 1
      const { promise: exited, resolve: end } = Promise.withResolvers<string>()
      const running: Running = {
        pid,
        exited,
        stop: async () => {
          stopped.push(pid)
          end('SIGTERM')
        },
        kill: () => end('SIGKILL'),
      }
      const its = { end, fail: reject, ready: () => resolve(running), aborted: false }
      signal.addEventListener('abort', () => {
        its.aborted = true
        reject(new Error('aborted'))
      })
      starts.push(its)
      onPid(pid)
    })
  const events: ServiceEvent[] = []
  const supervised = supervise({ name: 'x', start }, (event) => events.push(event), backoff)
  const started = (count: number) => vi.waitFor(() => expect(starts).toHaveLength(count))
  const died = () => events.flatMap((event) => (event.kind === 'died' ? [[event.reason, event.retryMs]] : []))
  return { supervised, starts, stopped, events, started, died }
}

test('a service that dies is started again, and both are told', async () => {
  const { supervised, starts, events, started } = fakeService()
  starts[0].ready()
  expect((await supervised.ready).pid).toBe(1)
  starts[0].end('SIGKILL')
  await started(2)
  starts[1].ready()
  await vi.waitFor(() => expect(events.at(-1)).toEqual({ kind: 'back', name: 'x', pid: 2 }))
  expect(events).toEqual([
    { kind: 'pid', name: 'x', pid: 1 },
    { kind: 'pid', name: 'x', pid: null },
    { kind: 'died', name: 'x', reason: 'SIGKILL', retryMs: 1 },
    { kind: 'pid', name: 'x', pid: 2 },
    { kind: 'back', name: 'x', pid: 2 },
  ])
})

test('the wait doubles up to its limit, also when a restart fails before it serves', async () => {
  const { starts, started, died } = fakeService()
  starts[0].ready()
  starts[0].end('one')
  await started(2)
  starts[1].fail(new Error('two'))
  await started(3)
  starts[2].ready()
  starts[2].end('three')
  await started(4)
  starts[3].fail(new Error('four'))
  await started(5)
  expect(died()).toEqual([
    ['one', 1],
    ['two', 2],
    ['three', 4],
    ['four', 4],
  ])
})

test('after long service the wait is short again', async () => {
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0)
  const { starts, started, died, supervised } = fakeService()
  starts[0].ready()
  starts[0].end('one')
  await started(2)
  starts[1].ready()
  await vi.waitFor(() => expect(clock).toHaveBeenCalledTimes(3))
  clock.mockReturnValue(60_001)
  starts[1].end('two')
  await started(3)
  expect(died()).toEqual([
    ['one', 1],
    ['two', 1],
  ])
  clock.mockRestore()
  await supervised.stop()
})

test('a first start that fails is the end of it', async () => {
  const { supervised, starts, died } = fakeService()
  starts[0].fail(new Error('bad settings'))
  await expect(supervised.ready).rejects.toThrow('bad settings')
  await supervised.stop()
  expect([starts.length, died()]).toEqual([1, []])
})

test('stop ends a running service in order and starts it no more', async () => {
  const { supervised, starts, stopped, died } = fakeService()
  starts[0].ready()
  await supervised.ready
  await supervised.stop()
  expect([starts.length, stopped, died()]).toEqual([1, [1], []])
})

test('stop during a start ends the start; stop while waiting for the next one prevents it', async () => {
  const first = fakeService()
  const ready = first.supervised.ready.catch((error: Error) => error.message)
  await first.supervised.stop()
  expect([await ready, first.starts[0].aborted]).toEqual(['aborted', true])

  const second = fakeService({ ...BACKOFF, firstMs: 3_600_000 })
  second.starts[0].ready()
  second.starts[0].end('SIGKILL')
  await vi.waitFor(() => expect(second.died()).toHaveLength(1))
  await second.supervised.stop()
  expect(second.starts).toHaveLength(1)
})
