import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { installDebian } from './debian.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const MAC = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Path of a Chromium for the browser tests: MILLRACE_CHROMIUM, else one on PATH or where macOS keeps it. */
export const findChromium = (env: NodeJS.ProcessEnv): string | null => {
  if (env.MILLRACE_CHROMIUM) return isExecutable(env.MILLRACE_CHROMIUM) ? env.MILLRACE_CHROMIUM : null
  const folders = (env.PATH ?? '').split(delimiter).filter(Boolean)
  return [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), ...MAC].find(isExecutable) ?? null
}

/** The same; where there is none and apt-get may install, Debian's package is installed. */
export const ensureChromium = (env: NodeJS.ProcessEnv, say: (line: string) => void): string | null => {
  const found = findChromium(env)
  if (found || env.MILLRACE_CHROMIUM || process.getuid?.() !== 0) return found
  say('installing the Debian package chromium for the browser tests')
  installDebian('chromium', env)
  return findChromium(env)
}
