import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { Mutation } from './mutations.ts'

const ROOT = new URL('../../', import.meta.url)

/**
 * From now on modules are loaded with the mutation's edits, in this thread only; no file is changed. Throws when a text
 * does not stand exactly once: the mutation would prove nothing.
 */
export const mutate = ({ guard, edits }: Mutation): void => {
  const sources = new Map<string, string>()
  for (const { file, find, replace } of edits) {
    const url = new URL(file, ROOT).href
    const parts = (sources.get(url) ?? readFileSync(fileURLToPath(url), 'utf8')).split(find)
    if (parts.length !== 2)
      throw new Error(`mutation "${guard}": "${find}" stands ${parts.length - 1} times in ${file}`)
    sources.set(url, parts.join(replace))
  }
  registerHooks({
    load(url, context, next) {
      const source = sources.get(url)
      return source === undefined ? next(url, context) : { format: 'module-typescript', source, shortCircuit: true }
    },
  })
}
