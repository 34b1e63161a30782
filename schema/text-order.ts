/** Puts UTF-16 code units in the order of the code points that they are part of: surrogates behind all others. */
const rank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)

/**
 * Orders text by code points, as UTF-8 and every store does. JavaScript's < orders by code units: an emoji would come
 * before U+FFFD here and behind it in the store.
 */
export const compareText = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}
