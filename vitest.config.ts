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
      project('unit', {}),
      // Servers and processes share two cores with each other: few at once, and patience.
      project('int', { testTimeout: 60_000, hookTimeout: 120_000, maxWorkers: 2 }),
      project('e2e', { testTimeout: 300_000, hookTimeout: 180_000, fileParallelism: false }),
    ],
  },
})
