import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MUTATIONS } from './mutations.ts'

const ROOT = new URL('../../', import.meta.url)

test.each(MUTATIONS.flatMap(({ guard, edits }) => edits.map(({ file, find }) => [guard, file, find] as const)))(
  '%s: what is edited in %s stands there once',
  (_, file, find) => {
    expect(readFileSync(new URL(file, ROOT), 'utf8').split(find)).toHaveLength(2)
  },
)
