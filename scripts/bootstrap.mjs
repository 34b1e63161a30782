// Runs a TypeScript main file on the pinned Node, from whatever Node >= 20 the machine has. Installs what is missing:
// the packages of package-lock.json, and the pinned Node, which npm fetches as a package.
import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const modules = join(root, 'node_modules')
const nodePackage = join(modules, 'node')
const pinnedNode = join(nodePackage, 'bin', 'node')

const fail = (message) => {
  console.error(`millrace: ${message}`)
  process.exit(1)
}
const say = (message) => console.error(`millrace: ${message}`)
const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'))

/** Why node_modules is not what package-lock.json says; null when it is. npm notes what it has put there. */
const whyInstall = () => {
  const noted = join(modules, '.package-lock.json')
  if (!existsSync(noted)) return 'nothing is installed yet'
  const installed = readJson(noted).packages
  for (const [path, wanted] of Object.entries(readJson(join(root, 'package-lock.json')).packages)) {
    if (path === '') continue
    const found = installed[path]
    const mayBeAbsent = wanted.optional || wanted.devOptional || wanted.peer
    if (found ? found.version !== wanted.version : !mayBeAbsent) {
      return `${path.replace(/^node_modules\//, '')} ${wanted.version} is missing`
    }
  }
  return null
}

/** npm as it started us, else the one on PATH. */
const npm = (...args) => {
  const self = process.env.npm_execpath ?? ''
  const [command, first] = /npm-cli\.c?js$/.test(self) ? [process.execPath, [self]] : ['npm', []]
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error']
  const result = spawnSync(command, [...first, ...args, ...quiet], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  if (result.error) fail(`npm cannot be run: ${result.error.message}`)
  if (result.status !== 0) {
    process.stderr.write(result.stderr)
    fail(`"npm ${args.join(' ')}" failed`)
  }
}

/**
 * npm versions differ in whether they run the scripts of packages, so none is run: the only one is made up for below.
 * Not `npm ci`: it refuses a lock file without the binaries of every other system, which some registries leave out.
 */
const installPackages = () => {
  const why = whyInstall()
  if (why === null) return
  say(`installing packages (${why})`)
  npm('install', '--no-save', '--ignore-scripts', '--include=dev', '--include=optional')
}

/** The package `node` is a shell; the binary is in a package for each system. */
const installNode = () => {
  const { version } = readJson(join(nodePackage, 'package.json'))
  // Asking the binary for its version at every start would cost 50 ms.
  const marker = join(nodePackage, 'bin', `v${version}`)
  if (existsSync(marker) && existsSync(pinnedNode)) return
  const runs = () => existsSync(pinnedNode) && spawnSync(pinnedNode, ['--version']).stdout?.toString().trim()
  if (runs() !== `v${version}`) {
    const prefix = process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'
    const name = `${prefix}-${process.platform}-${process.arch}`
    const folder = join(modules, '.millrace-node')
    say(`installing Node ${version}`)
    mkdirSync(folder, { recursive: true })
    npm('install', '--no-save', '--no-package-lock', '--ignore-scripts', '--prefix', folder, `${name}@${version}`)
    place(join(folder, 'node_modules', name, 'bin', 'node'), pinnedNode)
    rmSync(folder, { recursive: true, force: true })
  }
  if (runs() !== `v${version}`)
    fail(`Node ${version} does not run on this machine (${process.platform} ${process.arch})`)
  writeFileSync(marker, '')
}

/** All or nothing, for two starts at once. */
const place = (from, to) => {
  const beside = `${to}.${process.pid}`
  mkdirSync(dirname(to), { recursive: true })
  try {
    linkSync(from, beside)
  } catch {
    copyFileSync(from, beside)
  }
  renameSync(beside, to)
}

const [major] = process.versions.node.split('.').map(Number)
if (major < 20) fail(`Node 20 or newer is needed to begin with, this is ${process.version}`)
const [main, ...args] = process.argv.slice(2)
if (!main) fail('usage: node scripts/bootstrap.mjs FILE.main.ts [arguments]')
if (!existsSync(join(root, main))) fail(`there is no ${main}`)
installPackages()
installNode()

// Types are stripped and code is compiled once, not at every start of every process: a second start takes a third.
const NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE ?? join(modules, '.cache', 'node-compile')
const child = spawn(pinnedNode, ['--disable-warning=ExperimentalWarning', join(root, main), ...args], {
  stdio: 'inherit',
  env: { ...process.env, NODE_COMPILE_CACHE },
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('error', (error) => fail(error.message))
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
