import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { HTTP_STATUS, VERDICT_STATUS } from '#schema/errors.ts'

const section = (text: string, heading: string): string => text.split(`## ${heading}`)[1].split('\n## ')[0]

it('docs/errors.md lists every code with its status and what to do, and no other', async () => {
  const text = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const listed = (heading: string) =>
    Object.fromEntries(
      [...section(text, heading).matchAll(/^\| `([A-Z_]+)` \| (\d+) \| .+? \| .+? \|$/gm)].map(([, code, status]) => [
        code,
        Number(status),
      ]),
    )
  expect(listed('Error codes')).toEqual(HTTP_STATUS)
  expect(listed('Verdict codes')).toEqual(VERDICT_STATUS)
})
