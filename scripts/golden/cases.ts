import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type GoldenCase, readCase } from './case-file.ts'

const FOLDER = fileURLToPath(new URL('cases', import.meta.url))

/** All cases, by name. Throws where a file is none. */
export const loadCases = (): GoldenCase[] =>
  globSync('*/*.json', { cwd: FOLDER })
    .map((file) => file.replaceAll('\\', '/').replace(/\.json$/, ''))
    .sort()
    .map((name) => readCase(name, readFileSync(`${FOLDER}/${name}.json`, 'utf8')))
