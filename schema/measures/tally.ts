/** Weights by key. Keys of weight 0 are not in it, so that tallies of the same are equal. */
export type WeightsBy<K> = Map<K, number>

export const addWeight = <K>(to: WeightsBy<K>, key: K, weight: number): void => {
  const sum = (to.get(key) ?? 0) + weight
  if (sum === 0) to.delete(key)
  else to.set(key, sum)
}

export const mergeWeights = <K>(into: WeightsBy<K>, from: Iterable<readonly [K, number]>): void => {
  for (const [key, weight] of from) addWeight(into, key, weight)
}
