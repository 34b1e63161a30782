import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { isRunning } from '../nats/process.ts'

/** A file system of its own whose power can be cut: what was not synced by then is gone. */
export interface Loopback extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string
  /** Nothing that is not on the disk yet gets there any more; whoever still uses it gets errors. */
  cutPower(): Promise<void>
  /** As a machine that starts again finds it. Nobody may use it any more. */
  mountAgain(): Promise<void>
}

const run = promisify(execFile)
const IMAGE_BYTES = 512 * 1024 * 1024
const PREFIX = 'millrace-power-'

/**
 * FS_IOC_SHUTDOWN with NOLOGFLUSH, as xfs_io -x -c shutdown sends it: every write after it fails, and neither what stands
 * in the page cache nor the file system's own journal is flushed.
 */
const SHUTDOWN =
  'open(my $f, "<", $ARGV[0]) or die "$!\\n"; my $flag = pack("L", 2); ioctl($f, 0x8004587D, $flag) or die "$!\\n"'

const unmount = (path: string): Promise<unknown> => run('umount', [path])

/** What test runs that were killed have left. */
const removeStale = async (): Promise<void> => {
  const mounts = await readFile('/proc/mounts', 'utf8')
  for (const line of mounts.split('\n')) {
    const [, path = ''] = line.split(' ')
    const pid = new RegExp(`/${PREFIX}(\\d+)-`).exec(path)?.[1]
    if (!pid || isRunning(Number(pid))) continue
    await unmount(path)
    await rm(dirname(path), { recursive: true, force: true })
  }
}

/** Rejects where there are no rights or no loop devices; see loopbackRefusal. */
export const createLoopback = async (): Promise<Loopback> => {
  await removeStale()
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`))
  const [image, path] = [join(folder, 'disk'), join(folder, 'mounted')]
  let mounted = false
  const mount = async (): Promise<void> => {
    // The loop device goes when the mount does.
    await run('mount', ['-o', 'loop', image, path])
    mounted = true
  }
  const release = async (): Promise<void> => {
    if (mounted) await unmount(path)
    mounted = false
  }
  const dispose = async (): Promise<void> => {
    await release()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await mkdir(path)
    const file = await open(image, 'w')
    await file.truncate(IMAGE_BYTES)
    await file.close()
    await run('mkfs.ext4', ['-q', '-F', image])
    await mount()
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    path,
    async cutPower() {
      await run('perl', ['-e', SHUTDOWN, path])
    },
    async mountAgain() {
      await release()
      await mount()
    },
    [Symbol.asyncDispose]: dispose,
  }
}

/** Why power cannot be cut on this machine, in one line; null when it can. */
export const loopbackRefusal = async (): Promise<string | null> => {
  try {
    const loopback = await createLoopback()
    await loopback.cutPower()
    await loopback[Symbol.asyncDispose]()
    return null
  } catch (error) {
    const { message } = error as Error
    const reason = message.trim().split('\n').at(-1)
    return `power cannot be cut here (${reason}): it takes root on Linux with loop devices, e2fsprogs and perl, in a container --privileged`
  }
}
