import { type Hash128, memberOf } from '../hash.ts'
import { SCANNER } from './wasm/scanner.wasm.ts'

/** What wasm/scanner.ts exports; pointers are bytes in its memory. */
interface Scanner {
  memory: WebAssembly.Memory
  records(): number
  places(): number
  texts(): number
  textLengths(): number
  serials(): number
  seed(): number
  hash(): number
  open(bytes: number): number
  scan(start: number): number
  pin(length: number): number
  hashIdentity(keyStart: number, keyEnd: number, idStart: number, idEnd: number): void
  hashSpan(start: number, end: number): void
}

/** Sizes there. */
const [MOST_TEXT, SLOTS] = [64, 2_048]

const scannerModule = new WebAssembly.Module(Buffer.from(SCANNER, 'base64'))

/** A scanner with its memory, and the texts that it knows by slot. */
export class ScannerMemory {
  private readonly scanner = new WebAssembly.Instance(scannerModule).exports as unknown as Scanner
  private buffer = this.scanner.memory.buffer
  private bytes!: Uint8Array
  private textBytes!: Buffer
  private textLengths!: Uint8Array
  private serials!: Uint32Array
  private seed!: Uint32Array
  private hash!: Uint32Array
  /** Records of the lines that were scanned last, in words of 32 bits. */
  records!: Int32Array
  /** The same as words of 64 bits. */
  floats!: Float64Array
  /** Where their properties stand. */
  places!: Int32Array
  private readonly texts: string[] = new Array(SLOTS).fill('')
  /** By slot: which of the texts that were ever in it `texts` has. */
  private readonly known = new Uint32Array(SLOTS)
  /** Slots of names that keep theirs, by the number of the name; 0: it has none. */
  readonly pinned: number[] = []

  constructor() {
    this.view()
  }

  /** Copies a frame: all places are in it from now on. */
  load(data: Uint8Array): void {
    const at = this.open(data.length)
    this.bytes.set(data, at)
  }

  /** Scans lines from here on; answers how many. */
  scan(start: number): number {
    return this.scanner.scan(start)
  }

  /** Gives names of ASCII slots of their own. What was loaded is lost. */
  pinAll(names: readonly string[]): void {
    for (let i = this.pinned.length; i < names.length; i++) {
      this.load(Buffer.from(names[i], 'latin1'))
      this.pinned.push(this.scanner.pin(names[i].length))
    }
  }

  text(slot: number): string {
    const serial = this.serials[slot]
    if (this.known[slot] !== serial) {
      const start = slot * MOST_TEXT
      this.texts[slot] = this.textBytes.toString('latin1', start, start + this.textLengths[slot])
      this.known[slot] = serial
    }
    return this.texts[slot]
  }

  /** An even number for each text that a slot ever had. They begin anew after 2^31 texts. */
  code(slot: number): number {
    return this.serials[slot] << 1
  }

  /** Hashes key, NUL and id, which stand in what was loaded; see hash128. */
  hashIdentity(keyStart: number, keyEnd: number, idStart: number, idEnd: number, seed: Hash128, out: Hash128): void {
    const { hash } = this
    this.seed[0] = seed[0]
    this.seed[1] = seed[1]
    this.seed[2] = seed[2]
    this.seed[3] = seed[3]
    this.scanner.hashIdentity(keyStart, keyEnd, idStart, idEnd)
    out[0] = hash[0]
    out[1] = hash[1]
    out[2] = hash[2]
    out[3] = hash[3]
  }

  /** See memberHash. */
  memberHash(start: number, end: number): number {
    this.scanner.hashSpan(start, end)
    return memberOf(this.hash)
  }

  private open(bytes: number): number {
    const at = this.scanner.open(bytes)
    if (this.buffer !== this.scanner.memory.buffer) this.view()
    return at
  }

  /** Views end when the memory grows. */
  private view(): void {
    const { scanner } = this
    const { buffer } = scanner.memory
    this.buffer = buffer
    this.bytes = new Uint8Array(buffer)
    this.records = new Int32Array(buffer, scanner.records())
    this.floats = new Float64Array(buffer, scanner.records())
    this.places = new Int32Array(buffer, scanner.places())
    this.textBytes = Buffer.from(buffer, scanner.texts(), SLOTS * MOST_TEXT)
    this.textLengths = new Uint8Array(buffer, scanner.textLengths(), SLOTS)
    this.serials = new Uint32Array(buffer, scanner.serials(), SLOTS)
    this.seed = new Uint32Array(buffer, scanner.seed(), 4)
    this.hash = new Uint32Array(buffer, scanner.hash(), 4)
  }
}
