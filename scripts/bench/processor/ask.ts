import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * Asks a script that stands beside this file, in a process that has done nothing else. Rejects when that ends without an
 * answer.
 */
export const askProcess = async <Q extends object, A>(
  script: string,
  question: Q,
  flags: string[] = [],
): Promise<A> => {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), {
    execArgv: ['--expose-gc', ...flags],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  child.send(question)
  const failed = exited.then(() => Promise.reject(new Error(`${script} ended without an answer`)))
  const [answer] = await Promise.race([once(child, 'message'), failed])
  await exited
  return answer
}
