import { readFile } from 'node:fs/promises'
import asc from 'assemblyscript/asc'

/** From the project's root. */
export const SOURCE = 'schema/scan/wasm/scanner.ts'
export const MODULE = 'schema/scan/wasm/scanner.wasm.ts'
const BINARY = 'scanner.wasm'
const ROOT = new URL('../../', import.meta.url)

/** No garbage collector and no checks of bounds that the source does not make: it works in memory of its own. */
const OPTIONS = ['-O3', '--runtime', 'stub', '--noAssert', '--enable', 'simd', '--use', 'abort=']

/** Text of the module that holds the compiled source. Rejects with what the compiler says against it. */
export const compileScanner = async (): Promise<string> => {
  let binary: Uint8Array | undefined
  const { error, stderr } = await asc.main([SOURCE, '-o', BINARY, ...OPTIONS], {
    readFile: (name) => readFile(new URL(name, ROOT), 'utf8').catch(() => null),
    writeFile: (name, contents) => {
      if (name === BINARY) binary = contents as Uint8Array
    },
    listFiles: () => [],
  })
  const said = stderr.toString()
  if (error || said !== '' || !binary) throw new Error(said || String(error))
  const text = Buffer.from(binary).toString('base64')
  return `/** ${SOURCE}, compiled by \`npm run wasm\`; base64. */\nexport const SCANNER =\n  '${text}'\n`
}
