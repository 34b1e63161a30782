import { defineConfig } from 'vitest/config'

const project = (name: string, options: object) => ({
  // As Node resolves them: one copy of graphql, not a development build beside the one that its users get.
  ssr: { resolve: { conditions: ['node', 'module-sync'] } },
  test: {
    name,
    include: [`{schema,gateway,processors,infra,scripts,e2e}/**/*.${name}.spec.ts`],
    pool: 'forks' as const,
    ...options,
  },
})

export default defineConfig({
  test: {
    projects: [
      // One after the other: servers and processes share two cores with each other, few at once, with patience.
      project('unit', { testTimeout: 20_000, sequence: { groupOrder: 0 } }),
      project('int', { testTimeout: 60_000, hookTimeout: 120_000, maxWorkers: 2, sequence: { groupOrder: 1 } }),
      project('e2e', {
        testTimeout: 300_000,
        hookTimeout: 300_000,
        maxWorkers: 1,
        sequence: { groupOrder: 2 },
        globalSetup: './infra/testing/druid-run.ts',
      }),
    ],
  },
})
