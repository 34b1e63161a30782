import type { TestProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'
import { createRandom } from '#scripts/demo/random.ts'

export const PROCESSES = ['processor', 'gateway', 'storage', 'nats-server'] as const

interface Kill {
  name: string
  /** Request that is under way. */
  request: number
  /** After that request came, milliseconds. */
  delayMs: number
}

/** Every process `times` times, in random order, at random requests of `requests`. The same seed gives the same plan. */
const planKills = (seed: number, times: number, requests: number): Kill[] => {
  const random = createRandom(seed)
  const names = PROCESSES.flatMap((name) => Array.from({ length: times }, () => ({ name, place: random.next() })))
  names.sort((a, b) => a.place - b.place)
  // Each in a part of its own, so that all fall inside the import.
  const part = Math.floor(requests / names.length)
  return names.map(({ name }, i) => ({
    name,
    request: i * part + random.whole(1, part),
    delayMs: random.whole(0, 20),
  }))
}

/** Kills by plan while requests pass. */
export const createKiller = (product: TestProduct, seed: number, times: number, requests: number) => {
  const plan = planKills(seed, times, requests)
  const done: string[] = []
  const failures: unknown[] = []
  let last: { name: string; pid: number } | undefined

  const kill = async ({ name, delayMs }: Kill): Promise<void> => {
    // The one before has been started again, so that each kill meets a process at work.
    if (last) {
      const { name: before, pid } = last
      await until(`${before} is started again`, () => (product.pids()[before] ?? pid) !== pid)
    }
    const pid = await until(`${name} runs`, () => product.pids()[name])
    last = { name, pid }
    setTimeout(() => {
      try {
        process.kill(pid, 'SIGKILL')
        done.push(name)
      } catch (error) {
        failures.push(error)
      }
    }, delayMs)
  }

  return {
    /** To be told the number of each request before it is passed on; answers whether something is killed during it. */
    onRequest: async (number: number): Promise<boolean> => {
      if (!plan[0] || number < plan[0].request) return false
      await kill(plan.shift()!)
      return true
    },
    done,
    failures,
  }
}
