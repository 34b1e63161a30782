import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { findNatsServer } from './binary.ts'

/** A machine with just these programs, each a shell script. */
const machine = async (programs: Record<string, string>) => {
  const root = await mkdtemp(join(tmpdir(), 'millrace-machine-'))
  await mkdir(join(root, 'bin'))
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(root, 'bin', name), `#!/bin/sh\n${script}\n`)
    await chmod(join(root, 'bin', name), 0o755)
  }
  const said: string[] = []
  const env = { PATH: [join(root, 'bin'), '/nowhere'].join(delimiter), HOME: join(root, 'home') }
  return {
    root,
    said,
    find: () => findNatsServer({ env, say: (line) => said.push(line) }),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  }
}

const version = (text: string) => `echo "nats-server: v${text}"`
const goThatBuilds = (text: string) => `
[ "$1 $2" = "install github.com/nats-io/nats-server/v2@v2.15.1" ] || exit 9
printf '#!/bin/sh\\necho nats-server: v${text}\\n' > "$GOBIN/nats-server"
/bin/chmod +x "$GOBIN/nats-server"`

test('a new enough nats-server on PATH is used as it is', async () => {
  await using it = await machine({ 'nats-server': version('2.12.0'), go: 'exit 1' })
  expect(await it.find()).toBe(join(it.root, 'bin/nats-server'))
  expect(it.said).toEqual([])
})

test('an old one is passed over, and the one that go builds is kept for the next time', async () => {
  await using it = await machine({ 'nats-server': version('2.9.10'), go: goThatBuilds('2.15.1') })
  const file = join(it.root, 'home/.cache/millrace/nats-server-2.15.1')
  expect(await it.find()).toBe(file)
  expect(await it.find()).toBe(file)
  expect(it.said).toEqual(['building nats-server 2.15.1 with go: a minute or two, only this once'])
  expect(await readdir(join(it.root, 'home/.cache/millrace'))).toEqual(['nats-server-2.15.1'])
})

test('the Debian package is unpacked into the cache when it is new enough', async () => {
  await using it = await machine({
    'apt-cache': 'echo "  Candidate: 2.14.1-1"',
    'apt-get': '[ "$1 $2" = "download nats-server" ] && : > nats-server_2.14.1_amd64.deb',
    dpkg: `/bin/mkdir -p usr/bin && printf '#!/bin/sh\\necho nats-server: v2.14.1\\n' > usr/bin/nats-server &&
      /bin/chmod +x usr/bin/nats-server`,
  })
  expect(await it.find()).toBe(join(it.root, 'home/.cache/millrace/nats-server-2.15.1'))
  expect(it.said).toEqual(['fetching the Debian package nats-server'])
})

test('when nothing works the error says why, and what to do', async () => {
  await using it = await machine({
    go: 'echo "no network" >&2; exit 1',
    'apt-cache': 'echo "  Candidate: 2.9.10-1"',
    'apt-get': 'exit 1',
    dpkg: 'exit 1',
  })
  await expect(it.find()).rejects.toThrow(
    'no nats-server 2.12 or newer was found: put one on PATH (https://nats.io/download), or install Go, or name a ' +
      'running one with --nats-url (go install: no network)',
  )
})
