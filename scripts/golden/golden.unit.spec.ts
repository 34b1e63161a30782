import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { GoldenCase } from './case-file.ts'
import { loadCases } from './cases.ts'
import { expectedOf, type Seen } from './expected.ts'
import type { Restart } from './partition.ts'
import { runCase } from './run.ts'
import { caseText } from './text.ts'

const CASES = loadCases()

const KINDS: Restart[] = ['segments', 'merged']

/** Without what hangs on where checkpoints are cut: how often a point was sent, and what was sent and taken back. */
const apartFromCuts = (seen: Seen): Seen =>
  Object.fromEntries(
    Object.entries(seen).map(([title, points]) => [
      title,
      points.filter((point) => !point.includes(' RETRACTED')).map((point) => point.replace(/ r\d+\b/, '')),
    ]),
  )

/** Rows of one checkpoint add up in any order; those of different tenants and metrics may change places by a restart. */
const inAnyOrder = (outputs: readonly string[]): string[][] => outputs.map((text) => text.split('\n').sort())

const titleOf = ({ name, says, flink }: GoldenCase): string => `${name}: ${says}${flink ? ' (Flink differs)' : ''}`

describe.each(CASES.map((golden) => ({ title: titleOf(golden), golden })))('$title', ({ golden }) => {
  describe.each([1, 8])('with P = %i', (partitions) => {
    test('it gives what is expected, and the same bytes on replay', async () => {
      const { seen, outputs } = await runCase(golden, { partitions, dashboards: true })
      expect(seen).toEqual(expectedOf(golden, partitions, true))
      expect((await runCase(golden, { partitions })).outputs).toEqual(outputs)
    })

    test('a restart between any two steps changes nothing', async () => {
      const expected = expectedOf(golden, partitions, false)
      const outputs = inAnyOrder((await runCase(golden, { partitions })).outputs)
      const check = async (what: string, restart: (step: number) => Restart | undefined): Promise<void> => {
        const run = await runCase(golden, { partitions, restart })
        expect({ seen: run.seen, outputs: inAnyOrder(run.outputs) }, what).toEqual({ seen: expected, outputs })
      }
      for (const kind of KINDS) {
        for (const at of golden.steps.slice(1).keys())
          await check(`a restart after step ${at + 1} from ${kind}`, (step) => (step === at ? kind : undefined))
        await check(`restarts after all steps from ${kind}`, () => kind)
      }
    })

    test('fewer checkpoints give the same points', async () => {
      const { seen } = await runCase(golden, { partitions, fewCheckpoints: true, dashboards: true })
      expect(apartFromCuts(seen)).toEqual(apartFromCuts(expectedOf(golden, partitions, true)))
    })
  })
})

describe('docs/semantics.md', () => {
  const doc = readFileSync(new URL('../../docs/semantics.md', import.meta.url), 'utf8')
  const examples = [...doc.matchAll(/^```golden (\S+)\n(.*?)^```$/gms)].map(([, name, text]) => ({ name, text }))

  test.each(examples)('its example $name is that case', ({ name, text }) => {
    const golden = CASES.find((one) => one.name === name)
    expect(text).toBe(golden ? `${caseText(golden)}\n` : `there is no case ${name}`)
  })

  test('it shows an example of every kind of rule, and names each case that Flink answers otherwise', () => {
    const kinds = new Set(CASES.map(({ name }) => name.split('/')[0]))
    expect(new Set(examples.map(({ name }) => name.split('/')[0]))).toEqual(kinds)
    const differing = CASES.filter(({ flink }) => flink).map(({ name }) => name)
    expect(differing.filter((name) => !doc.includes(name))).toEqual([])
  })
})
