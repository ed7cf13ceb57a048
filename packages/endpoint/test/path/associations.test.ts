// What an association holds from its making to its release, and whose datagrams it accepts.

import { createNetwork } from "@x/transport/simulated"
import { prefixEpoch, PREFIX_BYTES, PROFILE, type Profile, TAG_BYTES, writePrefix } from "@x/wire"
import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import type { NoiseResult } from "../../src/keys/noise-state.ts"
import { NO_OPENER } from "../../src/keys/protection.ts"
import type { Association } from "../../src/path/association.ts"
import { Associations } from "../../src/path/associations.ts"
import type { Session } from "../../src/path/session.ts"
import { Tap } from "../datagram/tap.ts"
import { LIMITS } from "../peer/limits.ts"

const ADDRESS = 3
const SLOT = 5
const RESULT: NoiseResult = { chainingKey: new Uint8Array(32).fill(8), transcript: new Uint8Array(32).fill(9) }
const { crypto } = createNetwork({ seed: 1 }).host("a")
const identity = (id: number): Uint8Array => new Uint8Array(8).fill(id)

/** One side with its associations: what they hold, and what they gave back. */
class Side {
  readonly tap = new Tap()
  readonly freed: (readonly [slot: number, nowMs: number])[] = []
  /** With the sealers that existed. */
  readonly discarded: (readonly [association: Association, sealers: number])[] = []
  readonly retired: number[] = []
  readonly associations: Associations
  readonly #id: number
  readonly #profile: Profile

  constructor(id: number, profile: Profile, { inFlightMax = 64, rekeyAgeMs = 900_000 } = {}) {
    this.#id = id
    this.#profile = profile
    this.associations = new Associations({
      transport: this.tap.transport,
      settings: { ...settingsOf({ rekeyAgeMs }), profile },
      unique: identity(id),
      entropy: (out) => void out.fill(1),
      inFlightMax,
      crypto: profile >= PROFILE.mac ? crypto : undefined,
      waiting: {
        retire: (sealer) => this.retired.push(sealer),
        letGo: (address) => this.tap.transport.releaseAddress(address),
        discard: (it) => this.discarded.push([it, this.tap.sealers.size]),
      },
      slots: { free: (slot, nowMs) => this.freed.push([slot, nowMs]) },
    })
  }

  make(isOurs = this.#id === 1): Association {
    return this.associations.make({ slot: SLOT, remoteSlot: 7, address: ADDRESS, isOurs, order: 0, nowMs: 0 })
  }

  /** A protected association with that side: both know it by the same session. */
  with(other: number, { session = 0x50, isOurs = this.#id === 1 } = {}): Association {
    const association = this.make(isOurs)
    const names: Session = {
      ...{ unique: identity(other), publicKey: undefined, limits: LIMITS, beganMs: 0 },
      ...{ local: identity(session + this.#id), remote: identity(session + other) },
    }
    this.associations.protect(association, names, this.#profile >= PROFILE.mac ? RESULT : undefined)
    return association
  }

  /** A datagram as it is sent: prefix, some bytes and tag. */
  seal({ protection, remoteSlot }: Association, counter = 1): Uint8Array {
    const bytes = new Uint8Array(PREFIX_BYTES[this.#profile]! + 20 + TAG_BYTES[this.#profile]!)
    const length = bytes.length - TAG_BYTES[this.#profile]!
    protection.use(counter, 1_200, 0)
    bytes.fill(0x33, PREFIX_BYTES[this.#profile], length)
    writePrefix(new DataView(bytes.buffer), 0, this.#profile, false, remoteSlot, counter, protection.epoch)
    this.tap.sealers.get(protection.sealer)!.seal(bytes, 0, length, bytes, 0)
    return bytes
  }

  /** Whether a datagram is accepted as one of this association. */
  opens({ protection }: Association, datagram: Uint8Array): boolean {
    const bytes = datagram.slice()
    const epoch = this.#profile >= PROFILE.mac ? prefixEpoch(new DataView(bytes.buffer), 0) : 0
    return this.tap.sealers.get(protection.opener(epoch, 0))!.open(bytes, 0, bytes.length) !== false
  }
}

test("an association holds its address, and sends and takes nothing before it is protected", () => {
  const side = new Side(1, PROFILE.mac)
  const association = side.make()
  expect(side.tap.held.get(ADDRESS)).toBe(1)
  expect([association.isExhausted, association.protection.opener(0, 0)]).toEqual([true, NO_OPENER])
  expect(side.tap.sealers.size).toBe(0)
})

test("its replay window spans twice what may be in flight", () => {
  const association = new Side(1, PROFILE.none, { inFlightMax: 8_192 }).with(2)
  association.received({ counter: 20_000, epoch: 0, length: 100, mark: 0, nonce: 0 }, 0)
  expect(association.replay.check(20_000 - 2 * 8_192 + 1)).toBeUndefined()
  expect(association.replay.check(20_000 - 2 * 8_192)).toBe("stale")
})

test("in profile none nothing is tagged", () => {
  const side = new Side(1, PROFILE.none)
  const { protection } = side.with(2)
  expect([protection.sealer, protection.opener(0, 0), protection.isWorn]).toEqual([0, 0, false])
  expect(side.tap.sealers.size).toBe(0)
})

test.each([PROFILE.checksum, PROFILE.mac, PROFILE.aead])("in profile %i each side opens what the other seals", (p) => {
  const [a, b] = [new Side(1, p), new Side(2, p)]
  const [ab, ba] = [a.with(2), b.with(1)]
  expect([b.opens(ba, a.seal(ab)), a.opens(ab, b.seal(ba))]).toEqual([true, true])
  const changed = a.seal(ab)
  changed[changed.length - TAG_BYTES[p]! - 1]! ^= 1
  expect(b.opens(ba, changed)).toBe(false)
})

test.each([PROFILE.checksum, PROFILE.mac, PROFILE.aead])(
  "in profile %i what is of another session, of another sender or our own is refused",
  (p) => {
    const [a, b, c] = [new Side(1, p), new Side(2, p), new Side(3, p)]
    const [ab, ba] = [a.with(2), b.with(1)]
    expect(b.opens(ba, a.seal(a.with(2, { session: 0x60 })))).toBe(false)
    expect(b.opens(ba, c.seal(c.with(2, { isOurs: true })))).toBe(false)
    expect(a.opens(ab, a.seal(ab))).toBe(false)
  },
)

test.each([
  [PROFILE.none, 0],
  [PROFILE.checksum, 1],
  [PROFILE.mac, 2],
  [PROFILE.aead, 2],
])("in profile %i an association holds %i sealers, and gives everything back", (profile, sealers) => {
  const side = new Side(1, profile)
  const association = side.with(2)
  expect([side.tap.sealers.size, side.tap.held.get(ADDRESS)]).toEqual([sealers, 1])
  expect([side.freed, side.discarded]).toEqual([[], []])
  side.associations.release(association, 70)
  expect([side.tap.sealers.size, side.tap.held.get(ADDRESS)]).toEqual([0, 0])
  expect(side.freed).toEqual([[SLOT, 70]])
  // Waiting datagrams are taken out before their sealer is given back.
  expect(side.discarded).toEqual([[association, sealers]])
})

test("the sealer of an epoch that is over is given back by what waits, not at once", () => {
  const side = new Side(1, PROFILE.mac, { rekeyAgeMs: 1_000 })
  const { protection } = side.with(2)
  const { sealer } = protection
  protection.use(1, 1_200, 0)
  protection.heard(1, 0)
  protection.use(2, 1_200, 60_000)
  expect(protection.sealer).not.toBe(sealer)
  expect([side.retired, side.tap.sealers.has(sealer)]).toEqual([[sealer], true])
})

test("an association that was never protected gives back its slot and address", () => {
  const side = new Side(1, PROFILE.mac)
  side.associations.release(side.make(), 0)
  expect([side.tap.held.get(ADDRESS), side.freed]).toEqual([0, [[SLOT, 0]]])
})
