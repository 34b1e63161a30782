import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAdmission } from './admission.ts'

const setUp = (limitBytes: number, highBytes: number) => {
  const time = { now: 0 }
  return { time, admission: createAdmission({ limitBytes, highBytes, monotonic: () => time.now }) }
}

/** Events of a lane, one byte after the other, until no more is taken; answers how many. */
const fill = ({ mayPlace, place }: ReturnType<typeof createAdmission>, isHigh: boolean, held = 0): number => {
  let bytes = held
  while (mayPlace(1, bytes, isHigh)) {
    place(1)
    bytes++
  }
  return bytes - held
}

test('a lane that is stuck takes half, the next one half of the rest, and there is room for a third', () => {
  const { admission } = setUp(1_000, 0)
  expect([fill(admission, false), fill(admission, false), fill(admission, false)]).toEqual([500, 250, 125])
})

test('what is kept for HIGH events no other takes; half of it is for bodies, of which nobody knows yet', () => {
  const { admission } = setUp(1_000, 200)
  for (let lane = 0; lane < 20; lane++) fill(admission, false)
  expect(admission.usedBytes()).toBe(800)
  const share = admission.open()
  expect([share.grow(101), share.grow(100), share.fits(1)]).toEqual([false, true, false])
  expect(admission.mayPlace(100, 0, true)).toBe(true)
  expect(admission.mayPlace(101, 0, true)).toBe(false)
  expect(admission.mayPlace(1, 0, false)).toBe(false)
})

test('a share gives back what it holds once, and takes nothing after that', () => {
  const { admission } = setUp(1_000, 0)
  const share = admission.open()
  share.grow(700)
  share.shrinkTo(300)
  expect(admission.usedBytes()).toBe(300)
  share.release()
  share.release()
  expect([admission.usedBytes(), share.grow(1)]).toEqual([0, false])
})

test('who is refused is told how long half of what is here takes to leave', () => {
  const { admission, time } = setUp(1_000_000, 0)
  expect(admission.retryAfterMs()).toBe(10_000)
  admission.place(900_000)
  for (let second = 0; second < 5; second++) {
    time.now = second * 1_000
    admission.leave(100_000)
    admission.place(100_000)
  }
  // 100 kB a second.
  expect(admission.retryAfterMs()).toBe(4_500)
  admission.leave(880_000)
  expect(admission.retryAfterMs()).toBe(100)
  time.now += 10_000
  expect(admission.retryAfterMs()).toBe(10_000)
})

type Step =
  | { kind: 'body' | 'normal' | 'high'; lane: number; bytes: number }
  | { kind: 'end'; lane: number; bytes: number }

test('whatever comes and goes, the bound holds, and when all has gone nothing is held', () => {
  const step = fc.record({
    kind: fc.constantFrom('body', 'normal', 'high', 'end'),
    lane: fc.nat(3),
    bytes: fc.nat(400),
  }) as fc.Arbitrary<Step>
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { admission } = setUp(1_000, 100)
      const lanes = [0, 0, 0, 0]
      const shares = lanes.map(() => admission.open())
      for (const { kind, lane, bytes } of steps) {
        if (kind === 'body') shares[lane].grow(bytes)
        else if (kind === 'end') {
          shares[lane].release()
          shares[lane] = admission.open()
          admission.leave(lanes[lane])
          lanes[lane] = 0
        } else if (admission.mayPlace(bytes, lanes[lane], kind === 'high')) {
          admission.place(bytes)
          lanes[lane] += bytes
        }
        expect(admission.usedBytes()).toBeLessThanOrEqual(1_000)
      }
      for (const [lane, share] of shares.entries()) {
        share.release()
        admission.leave(lanes[lane])
      }
      expect(admission.usedBytes()).toBe(0)
    }),
  )
})
