/** Least-squares slope of y over x; 0 where there are too few points to tell. */
export const slopeOf = (points: readonly (readonly [x: number, y: number])[]): number => {
  const count = points.length
  if (count < 3) return 0
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  const under = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  return under === 0 ? 0 : over / under
}
