/** Bytes are not the sketch that they should be. */
export class SketchUnreadable extends Error {
  constructor(found: string) {
    super(`expected a sketch that Druid made, got ${found}`)
    this.name = 'SketchUnreadable'
  }
}
