/** Keys of an association over time: when they change, which are accepted, and when they are forgotten. */
import type { Transport } from "@x/transport/host"
import { systemHost } from "@x/transport"
import { PROFILE } from "@x/wire"
import fc from "fast-check"
import { expect, test } from "vitest"
import { KeyProtection, PREVIOUS_EPOCH_MS, type RekeyLimits } from "../../src/keys/key-protection.ts"
import { keyChains } from "../../src/keys/key-schedule.ts"
import { NO_OPENER } from "../../src/keys/protection.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const { crypto } = systemHost()
const NONE = new Uint8Array(32)

interface Side {
  readonly protection: KeyProtection
  /** Sealers that the transport holds. */
  readonly held: Set<number>
}

function sides(limits: RekeyLimits): [Side, Side] {
  return [true, false].map((isInitiator) => {
    const { fromInitiator, fromResponder } = keyChains(crypto, { chainingKey: NONE, transcript: NONE })
    const held = new Set<number>()
    let last = 0
    const transport: Partial<Transport> = {
      registerSealer: () => (held.add(++last), last),
      releaseSealer(id) {
        if (!held.delete(id)) throw new Error(`sealer ${id} is released twice`)
      },
    }
    const protection = new KeyProtection({
      transport: transport as Transport,
      ...{ crypto, profile: PROFILE.aead, limits, nowMs: 0, associated: { seal: NONE, open: NONE } },
      seal: isInitiator ? fromInitiator : fromResponder,
      open: isInitiator ? fromResponder : fromInitiator,
      retire: (sealer) => transport.releaseSealer!(sealer),
    })
    return { protection, held }
  }) as [Side, Side]
}

test("whatever is lost or late by less than three seconds, each datagram that comes has its key, of at most two, and all keys are given back", () => {
  const step = fc.record({
    afterMs: fc.integer({ min: 0, max: 1_500 }),
    delayMs: fc.integer({ min: 0, max: 2_900 }),
    isLost: fc.boolean(),
    feedbackMs: fc.integer({ min: 0, max: 2_900 }),
  })
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 50, maxLength: 400 }),
      fc.record({
        datagrams: fc.integer({ min: 1, max: 20 }),
        ageMs: fc.integer({ min: 1, max: 20_000 }),
        datagramsMax: fc.constant(1e9),
      }),
      (steps, limits) => {
        const [a, b] = sides(limits)
        const events: { readonly atMs: number; readonly run: (nowMs: number) => void }[] = []
        let [nowMs, counter] = [0, 0]
        for (const { afterMs, delayMs, isLost, feedbackMs } of steps) {
          nowMs += afterMs
          const sentMs = nowMs
          events.push({
            atMs: sentMs,
            run() {
              const number = ++counter
              a.protection.use(number, 1_200, sentMs)
              const { epoch } = a.protection
              if (isLost) return
              const arrive = (atMs: number): void => {
                expect(b.protection.opener(epoch, atMs)).not.toBe(NO_OPENER)
                b.protection.received(epoch, atMs)
                expect(b.protection.liveEpochs).toBeLessThanOrEqual(2)
                expect(b.held.size).toBe(1 + b.protection.liveEpochs)
                events.push({ atMs: atMs + feedbackMs, run: (at) => a.protection.heard(number, at) })
              }
              events.push({ atMs: sentMs + delayMs, run: arrive })
            },
          })
        }
        while (events.length > 0) {
          const next = events.reduce((first, event) => (event.atMs < first.atMs ? event : first))
          events.splice(events.indexOf(next), 1)
          next.run(next.atMs)
        }
        a.protection.release()
        b.protection.release()
        expect([a.held.size, b.held.size]).toEqual([0, 0])
      },
    ),
    { numRuns: runs(60) },
  )
})

test("a key that was followed by another is forgotten after three seconds, and one to come isn't made before", () => {
  const [a, b] = sides({ datagrams: 1, ageMs: 1e9, datagramsMax: 1e9 })
  a.protection.use(1, 1_200, 0)
  b.protection.opener(0, 0)
  a.protection.heard(1, 0)
  a.protection.use(2, 1_200, 10_000)
  expect(a.protection.epoch).toBe(1)
  expect(b.protection.opener(1, 10_000)).not.toBe(NO_OPENER)
  b.protection.received(1, 10_000)
  expect(b.protection.opener(2, 10_000)).toBe(NO_OPENER)
  expect(b.protection.opener(0, 10_000 + PREVIOUS_EPOCH_MS)).not.toBe(NO_OPENER)
  expect(b.protection.opener(0, 10_001 + PREVIOUS_EPOCH_MS)).toBe(NO_OPENER)
  expect([b.held.size, b.protection.liveEpochs]).toEqual([2, 1])
})

test("no key is changed before the peer told of the one under way, and at the limit nothing more is sent", () => {
  const [a] = sides({ datagrams: 10, ageMs: 1e9, datagramsMax: 40 })
  for (let counter = 1; counter <= 39; counter++) a.protection.use(counter, 1_200, counter * 1_000)
  expect([a.protection.epoch, a.protection.isWorn]).toEqual([0, false])
  a.protection.use(40, 1_200, 40_000)
  expect([a.protection.epoch, a.protection.isWorn]).toEqual([0, true])
})

test("a long datagram wears a key as much as the short ones that would hold its bytes", () => {
  for (const [bytes, datagrams] of [
    [2_048, 10],
    [2_049, 5],
    [20_480, 1],
  ] as const) {
    const [a] = sides({ datagrams: 10, ageMs: 1e9, datagramsMax: 40 })
    for (let counter = 1; counter <= datagrams; counter++) a.protection.use(counter, bytes, 0)
    expect(a.protection.epoch).toBe(0)
    a.protection.heard(1, 0)
    a.protection.use(datagrams + 1, bytes, 10_000)
    expect(a.protection.epoch).toBe(1)
  }
})
