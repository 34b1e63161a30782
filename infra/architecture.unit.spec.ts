import { globSync, readFileSync } from 'node:fs'
import { dirname, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

interface Rule {
  why: string
  /** Files that it holds for. */
  files: RegExp
  /** Files that it does not hold for. */
  except?: RegExp
  /** An import's target: a path from the root for files of this project, else the name of the module. */
  forbidden: RegExp
}

/** Composition roots, and tests that run the real thing, know everyone. */
const KNOWS_EVERYONE = /\.main\.ts$|\.(int|e2e)\.spec\.ts$/
const DRIVERS = '@nats-io/|@duckdb/|maxmind'
const IO = 'node:(fs|net|http|https|http2|tls|dns|dgram|child_process|worker_threads|cluster|os|readline)(/|$)'

const RULES: Rule[] = [
  {
    why: 'schema is contracts: it imports nothing of the others',
    files: /^schema\//,
    forbidden: /^(gateway|processors|infra|scripts|sdk)\//,
  },
  { why: 'schema does no I/O', files: /^schema\//, except: /spec\.ts$/, forbidden: new RegExp(`^(${IO}|${DRIVERS})`) },
  {
    why: 'the gateway knows schema and its ports',
    files: /^gateway\//,
    except: KNOWS_EVERYONE,
    forbidden: new RegExp(`^(processors/|infra/|scripts/|${DRIVERS})`),
  },
  {
    why: 'processors know schema and their ports',
    files: /^processors\//,
    except: KNOWS_EVERYONE,
    forbidden: new RegExp(`^(gateway/|infra/|scripts/|${DRIVERS})`),
  },
  { why: 'windows are a pure core', files: /^processors\/windows\//, except: /spec\.ts$/, forbidden: /^node:/ },
  {
    why: 'adapters know ports, not who uses them',
    files: /^infra\/(?!compose\/|testing\/)/,
    except: /\.main\.ts$|spec\.ts$|\/fixtures\//,
    forbidden: /^(gateway|processors)\/(?!ports\.ts$)|^(scripts|infra\/compose)\//,
  },
  {
    why: 'only the composition knows the composition',
    files: /^(schema|gateway|processors)\//,
    forbidden: /^infra\/compose\//,
  },
]

/** Settings come through infra/config.ts, handed over by a main file. */
const MAY_READ_ENVIRONMENT = /\.main\.ts$|spec\.ts$|^scripts\/|^infra\/testing\/|\/fixtures\//

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FILES = globSync('{schema,gateway,processors,infra,scripts,sdk}/**/*.ts', { cwd: ROOT }).map((file) =>
  file.replaceAll('\\', '/'),
)
const IMPORT =
  /^\s*(?:import|export)\b[^'"()]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm

/** Where an import leads: `./x.ts` in schema/a.ts is schema/x.ts, `#gateway/x.ts` is gateway/x.ts. */
const targetOf = (file: string, name: string): string => {
  if (name.startsWith('#')) return name.slice(1)
  return name.startsWith('.') ? posix.join(dirname(file), name) : name
}

const importsOf = (file: string, text: string): string[] =>
  [...text.matchAll(IMPORT)].map(([, from, bare, dynamic]) => targetOf(file, from ?? bare ?? dynamic))

const violationsOf = (file: string, text: string): string[] => [
  ...RULES.filter(({ files, except }) => files.test(file) && !except?.test(file)).flatMap(({ why, forbidden }) =>
    importsOf(file, text)
      .filter((target) => forbidden.test(target))
      .map((target) => `${file} imports ${target}: ${why}`),
  ),
  ...(/\bprocess\.env\b/.test(text) && !MAY_READ_ENVIRONMENT.test(file)
    ? [`${file} reads process.env: settings come through infra/config.ts`]
    : []),
]

test('every file keeps to the layout', () => {
  expect(FILES.length).toBeGreaterThan(50)
  expect(FILES.flatMap((file) => violationsOf(file, readFileSync(`${ROOT}${file}`, 'utf8')))).toEqual([])
})

test.each([
  ['schema/a.ts', "import { x } from '../gateway/b.ts'"],
  ['schema/a.ts', "import fs from 'node:fs/promises'"],
  ['gateway/live/a.ts', "import type {\n  X,\n} from '#infra/nats/log.ts'"],
  ['gateway/a.ts', "import { connect } from '@nats-io/transport-node'"],
  ['gateway/a.unit.spec.ts', "export * from '#processors/ports.ts'"],
  ['processors/storage/a.ts', "const x = await import('#gateway/ports.ts')"],
  ['processors/windows/a.ts', "import { hash } from 'node:crypto'"],
  ['infra/nats/a.ts', "import { y } from '#processors/runtime/owner.ts'"],
  ['infra/nats/a.ts', "import '../compose/start.ts'"],
  ['infra/nats/a.ts', 'const home = process.env.HOME'],
])('in %s this is a violation: %s', (file, text) => {
  expect(violationsOf(file, text)).toHaveLength(1)
})

test.each([
  ['gateway/a.ts', "import { x } from '#schema/x.ts'\nimport http from 'node:http'\nimport { y } from './live/y.ts'"],
  ['gateway/a.int.spec.ts', "import { x } from '#infra/testing/nats.ts'"],
  ['infra/nats/a.ts', "import type { X } from '#gateway/ports.ts'\nimport { Y } from '#processors/ports.ts'"],
  ['infra/compose/gateway.main.ts', "import { x } from '#gateway/live/x.ts'\nprocess.env.HOME"],
])('in %s this is right: %s', (file, text) => {
  expect(violationsOf(file, text)).toEqual([])
})
