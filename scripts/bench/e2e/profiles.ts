import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'

/** CPU.20260101.120000.<pid>.<thread>.001.cpuprofile */
const FILE = /^CPU\.\d+\.\d+\.(?<pid>\d+)\.(?<rest>.*cpuprofile)$/

/** CPU profiles of the processes that the product starts; nothing without a folder. */
export const createProfiles = (given: string | undefined) => {
  const folder = given === undefined ? undefined : resolve(given)
  return {
    /** For the product, whose children inherit it. */
    env: (folder === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` }) as Record<
      string,
      string
    >,
    /** Once the product has ended: profiles are called after their process; those of nobody's are removed. */
    async name(pids: Record<string, number>): Promise<void> {
      if (folder === undefined) return
      await mkdir(folder, { recursive: true })
      const names = new Map(Object.entries(pids).map(([name, pid]) => [String(pid), name]))
      for (const file of await readdir(folder)) {
        const { pid, rest } = FILE.exec(file)?.groups ?? {}
        if (pid === undefined) continue
        const name = names.get(pid)
        if (name === undefined) await rm(join(folder, file))
        else await rename(join(folder, file), join(folder, `${name}.${rest}`))
      }
    },
  }
}
