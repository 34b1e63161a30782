import type { Settlement } from '#schema/checkpoint.ts'

/**
 * What must hold along the settlements of one partition, in the order of the stream: checkpoint numbers and log
 * positions without a hole, epochs and watermarks that never go back. Answers what does not, in words.
 */
export const orderProblems = (settlements: readonly Settlement[]): string[] => {
  const problems: string[] = []
  const watermarks = new Map<string, number>()
  let [checkpoint, epoch, to] = [0, 0, 0]
  for (const one of settlements) {
    const say = (what: string) => problems.push(`partition ${one.partition}, checkpoint ${one.checkpoint}: ${what}`)
    if (one.checkpoint !== checkpoint + 1) say(`follows checkpoint ${checkpoint}`)
    if (one.epoch < epoch) say(`has epoch ${one.epoch} after ${epoch}`)
    if (one.from !== to + 1) say(`starts at ${one.from} of the log after ${to}`)
    ;({ checkpoint, epoch, to } = one)
    for (const { tenant, source, watermark } of one.clocks) {
      const clock = `${tenant} ${source}`
      if (watermark < (watermarks.get(clock) ?? watermark)) say(`the watermark of ${clock} goes back to ${watermark}`)
      watermarks.set(clock, watermark)
    }
  }
  return problems
}
