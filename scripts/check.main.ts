import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CHECKS: [string, string[]][] = [
  ['format and lint', ['@biomejs/biome/bin/biome', 'check', '--error-on-warnings']],
  ['types', ['typescript/bin/tsc', '-p', '.']],
  ['layout', ['vitest/vitest.mjs', 'run', '--project', 'unit', 'infra/architecture']],
]

const failed = CHECKS.filter(([name, [script, ...args]]) => {
  console.log(`check: ${name}`)
  return spawnSync(process.execPath, [`${ROOT}node_modules/${script}`, ...args], { cwd: ROOT, stdio: 'inherit' }).status
})
console.log(failed.length === 0 ? 'check: clean' : `check: failed: ${failed.map(([name]) => name).join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
