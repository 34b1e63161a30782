import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { compileScanner, MODULE } from './compile.ts'

test('what scans frames is what its source compiles to', async () => {
  expect(await readFile(new URL(`../../${MODULE}`, import.meta.url), 'utf8')).toBe(await compileScanner())
})
