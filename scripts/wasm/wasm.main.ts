import { writeFile } from 'node:fs/promises'
import { readArgs, runMain } from '../lib/args.ts'
import { compileScanner, MODULE, SOURCE } from './compile.ts'

const HELP = `npm run wasm

Compiles ${SOURCE} to ${MODULE}, after a change of it; a test fails until then.`

await runMain(async (argv) => {
  const args = readArgs(argv, {})
  if (args.has('help')) console.log(HELP)
  else await writeFile(new URL(`../../${MODULE}`, import.meta.url), await compileScanner())
  return 0
})
