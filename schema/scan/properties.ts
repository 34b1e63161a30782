import type { ScannerMemory } from './scanner-memory.ts'
import { isAt } from './texts.ts'

/** Words of a property: spans of its name and of its value, and their slots. See wasm/scanner.ts. */
const [NAME_END, VALUE, VALUE_END, NAME_SLOT, VALUE_SLOT, PLACE] = [1, 2, 3, 4, 5, 6]

const QUOTE = 0x22
const ZERO = 0x30
/** So many digits always fit an integer of 31 bits, and twice the number one of 32. */
const SMALL_DIGITS = 9

const NOWHERE = -1
/** Codes of values that have none, and of a value that is not there. See FrameScanner.code. */
export const [NO_CODE, ABSENT] = [0, -1]

/** Names that are asked for, by number: several metrics ask for the same ones. */
export const asked: string[] = []
const numbers = new Map<string, number>()

/** A name as `get` takes it: ASCII, and none that every object has. */
export class PropertyName {
  readonly name: string
  readonly number: number

  constructor(name: string) {
    this.name = name
    this.number = numbers.get(name) ?? asked.push(name) - 1
    numbers.set(name, this.number)
  }
}

/** Properties of one event by their names: where each of them stands, so that only those that are asked for are made. */
export class Properties {
  private readonly memory: ScannerMemory
  private data: Buffer = Buffer.alloc(0)
  private first = 0
  private end = 0
  /** Whose they are. */
  of: object | null = null
  private event = 0
  /** By the number of a name: of which event it was looked up, where it stands, and what was made of it. */
  private readonly foundOf: number[] = []
  private readonly found: number[] = []
  private readonly madeOf: number[] = []
  private readonly made: unknown[] = []

  constructor(memory: ScannerMemory) {
    this.memory = memory
  }

  /** From now on they are those of an event, whose places begin and end here. */
  select(data: Buffer, first: number, end: number, of: object): void {
    this.data = data
    this.first = first
    this.end = end
    this.of = of
    this.event++
  }

  /** Undefined where there is none. */
  get(name: PropertyName): unknown {
    const { number } = name
    if (this.madeOf[number] === this.event) return this.made[number]
    const place = this.place(name)
    this.madeOf[number] = this.event
    this.made[number] = place === NOWHERE ? undefined : this.value(place)
    return this.made[number]
  }

  /** See FrameScanner.code. */
  code(name: PropertyName): number {
    const place = this.place(name)
    if (place === NOWHERE) return ABSENT
    const { memory } = this
    const slot = memory.places[place + VALUE_SLOT]
    if (slot !== 0) return memory.code(slot)
    const value = this.smallNumber(memory.places[place + VALUE], memory.places[place + VALUE_END])
    return value < 0 ? NO_CODE : value * 2 + 1
  }

  private place({ name, number }: PropertyName): number {
    if (this.foundOf[number] !== this.event) {
      this.foundOf[number] = this.event
      this.found[number] = this.find(name, this.memory.pinned[number])
    }
    return this.found[number]
  }

  private find(name: string, slot: number | undefined): number {
    const { data, first } = this
    const { places } = this.memory
    // Of equal names the last one holds, as in JSON.parse.
    for (let place = this.end - PLACE; place >= first; place -= PLACE) {
      if (slot ? places[place + NAME_SLOT] === slot : isAt(data, places[place], places[place + NAME_END], name))
        return place
    }
    return NOWHERE
  }

  private value(place: number): unknown {
    const { data, memory } = this
    const slot = memory.places[place + VALUE_SLOT]
    if (slot !== 0) return memory.text(slot)
    const [start, end] = [memory.places[place + VALUE], memory.places[place + VALUE_END]]
    const small = this.smallNumber(start, end)
    if (small >= 0) return small
    if (data[start] === QUOTE) return data.toString('utf8', start + 1, end - 1)
    return JSON.parse(data.toString('utf8', start, end))
  }

  /** A whole number of few digits; -1: something else. */
  private smallNumber(start: number, end: number): number {
    const { data } = this
    if (end - start > SMALL_DIGITS) return -1
    let value = 0
    for (let at = start; at < end; at++) {
      const digit = data[at] - ZERO
      if (!(digit >= 0 && digit <= 9)) return -1
      value = value * 10 + digit
    }
    return value
  }
}
