import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const STRICT = fileURLToPath(new URL('strict.py', import.meta.url))

export type Reading = { value: unknown } | { error: string }

/** A JSON reader of another make. */
export interface StrictReader extends AsyncDisposable {
  /** What it makes of each text, in their order; values as `plain` gives them. */
  read(texts: readonly (string | Buffer)[]): Promise<Reading[]>
}

const bits = new DataView(new ArrayBuffer(8))
const bitsOf = (value: number): string => {
  bits.setFloat64(0, value === 0 ? 0 : value)
  return bits.getBigUint64(0).toString(16).padStart(16, '0')
}

/** A value so that both sides can compare it: numbers as the bits of their double, -0 as 0. */
export const plain = (value: unknown): unknown => {
  if (typeof value === 'number') return { '#': bitsOf(value) }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [`@${key}`, plain(one)]))
}

/** Starts python3; rejects where there is none. */
export const startPython = async (): Promise<StrictReader> => {
  const child = spawn('python3', [STRICT], { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = once(child, 'exit')
  await once(child, 'spawn')
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async read(texts) {
      for (const text of texts) child.stdin.write(`${Buffer.from(text).toString('base64')}\n`)
      const readings: Reading[] = []
      while (readings.length < texts.length) {
        const { value, done } = await answers.next()
        if (done) throw new Error('python3 ended before it had answered')
        readings.push(JSON.parse(value) as Reading)
      }
      return readings
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await gone
    },
  }
}
