/**
 * What is left of a limit for one who would take all of it, when the others ask for `demands`: max-min fair. Who asks for
 * less than an equal part gets what it asks for, and the others share the rest. When all of them reckon so, what is used
 * of the shares is the limit.
 */
export const shareOf = (limit: number, demands: readonly number[]): number => {
  let rest = limit
  let sharers = demands.length + 1
  for (const demand of [...demands].sort((a, b) => a - b)) {
    if (demand >= rest / sharers) break
    rest -= demand
    sharers--
  }
  return rest / sharers
}
