import { createFeedback, type PacketDropReason, PROFILE, type Profile, REASON, writeFeedback } from "@x/wire"
import { expect, test } from "vitest"
import { createScratch } from "../../src/datagram/scratch.ts"
import { Association } from "../../src/path/association.ts"
import { Claims, type ClaimingPeer } from "../../src/peer/claims.ts"

/** A peer whose path takes feedback in, or doesn't. */
class World {
  readonly log: string[] = []
  readonly drops: PacketDropReason[] = []
  readonly association = new Association({
    ...{ slot: 1, remoteSlot: 1, address: 1, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 },
  })
  readonly outgoing = { isFull: false, hasData: false, growWindows: (bytes: number) => this.log.push(`grow ${bytes}`) }
  isNews = true
  readonly claims: Claims

  constructor(profile: Profile = PROFILE.checksum) {
    const path = { gate: { windowBytes: 5_000 }, handleFeedback: () => this.isNews }
    const leave = (reason: number): void => void this.log.push(`leave ${reason}`)
    this.claims = new Claims({ path, outgoing: this.outgoing, leave } as unknown as ClaimingPeer, {
      ...{ profile, scratch: createScratch() },
      wakeForData: () => void this.log.push("wake for data"),
      drop: (reason) => void this.drops.push(reason),
    })
  }

  /** The peer says that this is the newest datagram that came. */
  say(counter: number): number {
    const view = new DataView(new ArrayBuffer(200))
    const end = writeFeedback(view, 0, { ...createFeedback(), counter })
    return this.claims.handleFeedback(view, 0, end, this.association, 100)
  }
}

test("what can be true moves windows and streams on, and tells when the newest datagram was sent", () => {
  const it = new World()
  const counter = it.association.takeCounter(100, false, 40)
  Object.assign(it.outgoing, { isFull: true, hasData: true })
  expect(it.say(counter)).toBe(40)
  expect([it.log, it.drops]).toEqual([["grow 5000", "wake for data"], []])
})

test("what was told before changes nothing, and nobody is woken who has nothing to send", () => {
  const it = new World()
  const counter = it.association.takeCounter(100, false, 40)
  Object.assign(it.outgoing, { isFull: true, hasData: true })
  it.isNews = false
  it.say(counter)
  Object.assign(it.outgoing, { isFull: false, hasData: false })
  it.isNews = true
  it.say(counter)
  expect(it.log).toEqual([])
})

test("a peer that claims what was never sent is left, and its feedback says nothing", () => {
  const it = new World()
  expect(it.say(it.association.nextCounter)).toBe(-Infinity)
  expect([it.log, it.drops]).toEqual([[`leave ${REASON.falseAcknowledgement}`], ["not-sent"]])
})

test("where bits may flip on the way it stays", () => {
  const it = new World(PROFILE.none)
  expect(it.say(it.association.nextCounter)).toBe(-Infinity)
  expect([it.log, it.drops]).toEqual([[], ["not-sent"]])
})
