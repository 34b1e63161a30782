/** Objects with more keys use a Set: comparing each with each would be quadratic. */
const FEW_KEYS = 16

/** The text between two quotes that starts at `start` and ends before `end`, unescaped. */
export const unescapeSlice = (text: string, start: number, end: number, escaped: boolean): string =>
  escaped ? (JSON.parse(text.slice(start - 1, end + 1)) as string) : text.slice(start, end)

/** Keys of one object, told apart unescaped. Reused for object after object, so that a scan allocates next to nothing. */
export class SeenKeys {
  private readonly text: string
  private readonly marks: number[] = []
  private readonly starts: number[] = []
  private readonly ends: number[] = []
  private readonly unescaped: (string | undefined)[] = []
  private count = 0
  private names: Set<string> | undefined

  constructor(text: string) {
    this.text = text
  }

  clear(): void {
    this.count = 0
    this.names = undefined
  }

  /** Notes the key between `start` and `end`; answers false when the object had it already. */
  add(start: number, end: number, escaped: boolean): boolean {
    if (this.count === FEW_KEYS) {
      this.names = new Set()
      for (let i = 0; i < FEW_KEYS; i++) this.names.add(this.nameAt(i))
    }
    if (this.names) return this.addName(unescapeSlice(this.text, start, end, escaped))
    const name = escaped ? unescapeSlice(this.text, start, end, true) : undefined
    const mark = name === undefined ? this.markOf(this.text, start, end) : this.markOf(name, 0, name.length)
    for (let i = 0; i < this.count; i++) {
      if (this.marks[i] === mark && this.same(i, start, end, name)) return false
    }
    const i = this.count++
    this.marks[i] = mark
    this.starts[i] = start
    this.ends[i] = end
    this.unescaped[i] = name
    return true
  }

  private addName(name: string): boolean {
    this.count = FEW_KEYS + 1
    const { size } = this.names!
    return this.names!.add(name).size > size
  }

  /** Tells most different keys apart without comparing them. */
  private markOf(text: string, start: number, end: number): number {
    return ((end - start) << 16) ^ (text.charCodeAt(start) << 8) ^ text.charCodeAt(end - 1)
  }

  private nameAt(i: number): string {
    return this.unescaped[i] ?? this.text.slice(this.starts[i], this.ends[i])
  }

  private same(i: number, start: number, end: number, name: string | undefined): boolean {
    if (name !== undefined || this.unescaped[i] !== undefined) {
      return this.nameAt(i) === (name ?? this.text.slice(start, end))
    }
    const { text } = this
    if (this.ends[i] - this.starts[i] !== end - start) return false
    for (let a = this.starts[i], b = start; b < end; a++, b++) {
      if (text.charCodeAt(a) !== text.charCodeAt(b)) return false
    }
    return true
  }
}
