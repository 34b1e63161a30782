import { spawnSync } from 'node:child_process'

/** Installs a Debian package where apt-get may; whether it worked shows by what was missing. */
export const installDebian = (name: string, env: NodeJS.ProcessEnv): void => {
  if (process.getuid?.() !== 0) return
  const apt = (...args: string[]) =>
    spawnSync('apt-get', args, { stdio: 'ignore', env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } }).status === 0
  const install = ['install', '--yes', '--no-install-recommends', name]
  if (apt(...install)) return
  // A machine that has never updated knows no packages.
  apt('update')
  apt(...install)
}
