import type { ScannerMemory } from './scanner-memory.ts'
import { isAt } from './texts.ts'

/** Words of a property: spans of its name and of its value, and their slots. See wasm/scanner.ts. */
const [NAME_END, VALUE, VALUE_END, NAME_SLOT, VALUE_SLOT, PLACE] = [1, 2, 3, 4, 5, 6]

const QUOTE = 0x22
const ZERO = 0x30
/** So many digits always fit an integer of 32 bits. */
const SMALL_DIGITS = 9

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
  /** What was asked for, by the number of its name, and of which event that was. */
  private readonly made: unknown[] = []
  private readonly madeOf: number[] = []
  private event = 0

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
  get({ name, number }: PropertyName): unknown {
    if (this.madeOf[number] === this.event) return this.made[number]
    const value = this.find(name, this.memory.pinned[number])
    this.madeOf[number] = this.event
    this.made[number] = value
    return value
  }

  private find(name: string, slot: number | undefined): unknown {
    const { data, first } = this
    const { places } = this.memory
    // Of equal names the last one holds, as in JSON.parse.
    for (let place = this.end - PLACE; place >= first; place -= PLACE) {
      const isIt = slot ? places[place + NAME_SLOT] === slot : isAt(data, places[place], places[place + NAME_END], name)
      if (isIt) return this.value(places[place + VALUE], places[place + VALUE_END], places[place + VALUE_SLOT])
    }
    return undefined
  }

  private value(start: number, end: number, slot: number): unknown {
    if (slot !== 0) return this.memory.text(slot)
    const { data } = this
    const first = data[start] - ZERO
    if (first >= 0 && first <= 9 && end - start <= SMALL_DIGITS) {
      let value = first
      for (let at = start + 1; at < end; at++) {
        const digit = data[at] - ZERO
        if (!(digit >= 0 && digit <= 9)) return JSON.parse(data.toString('latin1', start, end))
        value = value * 10 + digit
      }
      return value
    }
    if (data[start] === QUOTE) return data.toString('utf8', start + 1, end - 1)
    return JSON.parse(data.toString('utf8', start, end))
  }
}
