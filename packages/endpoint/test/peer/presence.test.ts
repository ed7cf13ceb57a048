import type { Address, Transport } from "@x/transport/host"
import { REASON } from "@x/wire"
import { expect, test } from "vitest"
import { Association } from "../../src/path/association.ts"
import { Goodbye, GOODBYE_MS } from "../../src/peer/goodbye.ts"
import type { Liveness, LivenessState } from "../../src/peer/liveness.ts"
import { Liveness as RealLiveness } from "../../src/peer/liveness.ts"
import { Presence, type PresentPeer } from "../../src/peer/presence.ts"
import type { Timer } from "../../src/peer/timers.ts"
import { settingsOf } from "../../src/api/options.ts"

const ADDRESS: Address = { family: 4, host: "192.0.2.7", port: 4_000 }
const PTO_MS = 100

/** A peer whose timers are due when the test says so. */
class World {
  readonly due = new Set<Timer>()
  readonly goodbye = new Goodbye()
  readonly liveness: Liveness = new RealLiveness(settingsOf({}))
  /** What was done, and told, in order. */
  readonly log: string[] = []
  readonly association = new Association({
    ...{ slot: 1, remoteSlot: 1, address: 1, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 },
  })
  readonly peer: { isAnnounced: boolean; pace: { isPaused: boolean }; associations: readonly Association[] }
  readonly presence: Presence<PresentPeer>

  constructor() {
    const note = (text: string): void => void this.log.push(text)
    const peer = {
      ...{ isAnnounced: true, pace: { isPaused: false }, rtt: { ptoMs: PTO_MS } },
      associations: [this.association],
      path: { association: this.association, testMarks: () => note("marks") },
      outgoing: {
        handleReachable: (isReachable: boolean) => note(`outgoing ${isReachable ? "on" : "off"}`),
        close: (reason: number) => note(`outgoing closed ${reason}`),
      },
      incoming: {
        handleReachable: () => note("incoming on"),
        close: (reason: number) => note(`incoming closed ${reason}`),
      },
    }
    this.peer = peer
    const context = {
      events: {
        push: (event: { kind: string; why?: { text: string }; address?: Address | undefined }) =>
          note(`told ${event.kind}${event.why === undefined ? "" : ` ${event.why.text} ${event.address?.host}`}`),
      },
      forsake: () => note("forsaken"),
      wake: () => note("wake"),
      transport: { addressOf: () => ADDRESS } as unknown as Transport,
    }
    this.presence = new Presence<PresentPeer>(peer as unknown as PresentPeer, context, {
      ...{ liveness: this.liveness, goodbye: this.goodbye },
      timers: { isDue: (timer) => this.due.has(timer) },
      answers: { release: () => note("released") },
    })
  }

  judge(...due: Timer[]): string[] {
    for (const timer of due) this.due.add(timer)
    this.presence.judge(this.association, 0)
    this.due.clear()
    return this.log.splice(0)
  }

  get state(): LivenessState {
    return this.presence.state
  }
}

test("a silent peer is unreachable, its repeats pause, and marks are tested; it is back with the next datagram", () => {
  const it = new World()
  expect(it.judge()).toEqual([])
  expect(it.judge("silence")).toEqual(["outgoing off", "marks", "told unreachable"])
  expect([it.state, it.peer.pace.isPaused]).toEqual(["unreachable", true])
  it.presence.heard(0)
  expect(it.log.splice(0)).toEqual(["outgoing on", "incoming on", "told reachable"])
  it.presence.heard(0)
  expect([it.log, it.state, it.peer.pace.isPaused]).toEqual([[], "joined", false])
})

test("it is back too when it has joined again, which is told once", () => {
  const it = new World()
  it.judge("silence")
  it.presence.revive(0)
  it.presence.revive(0)
  expect(it.log).toEqual(["outgoing on", "incoming on", "told reachable"])
})

test("a peer that has been silent for too long is gone, and nobody asks for it any more", () => {
  const it = new World()
  expect(it.judge("silence", "absence", "probe").slice(-5)).toEqual([
    ...["forsaken", `outgoing closed ${REASON.timeout}`, `incoming closed ${REASON.timeout}`, "released"],
    "told left  192.0.2.7",
  ])
  expect([it.state, it.presence.isProbeWanted, it.presence.isGone(0)]).toEqual(["left", false, true])
})

test("before that a join asks which incarnation is there", () => {
  const it = new World()
  expect(it.judge("probe")).toEqual([])
  expect(it.presence.isProbeWanted).toBe(true)
})

test("our own absence is nobody's silence, and no datagram came in the future", () => {
  const it = new World()
  it.association.lastReceivedMs = 100
  it.presence.excuse(500, 1_000)
  expect(it.association.lastReceivedMs).toBe(600)
  it.presence.excuse(500, 1_000)
  expect(it.association.lastReceivedMs).toBe(1_000)
})

test("who leaves ends its streams before it is told, says goodbye, and stays until that is answered or over", () => {
  const it = new World()
  it.presence.leave({ reason: REASON.closing, text: "bye" }, 0)
  expect(it.log.splice(0)).toEqual([
    ...["forsaken", `outgoing closed ${REASON.closing}`, `incoming closed ${REASON.closing}`, "released"],
    ...["told left bye 192.0.2.7", "wake"],
  ])
  expect([it.state, it.presence.isSettled, it.goodbye.endMs]).toEqual(["leaving", false, GOODBYE_MS])
  // The other side's crosses ours: it is answered, and told to nobody.
  it.presence.handleGoodbye({ reason: REASON.closing, text: "" }, true, 10)
  expect([it.log, it.goodbye.isAnswerOwed, it.presence.isSettled]).toEqual([["wake"], true, true])
  expect([it.goodbye.endMs, it.presence.isGone(10)]).toEqual([10 + 3 * PTO_MS, false])
  it.due.add("forget")
  expect(it.presence.isGone(400)).toBe(true)
})

test("a goodbye ends the peer as one of ours does, and a second one is only answered", () => {
  const it = new World()
  it.presence.handleGoodbye({ reason: 9, text: "so long" }, true, 0)
  expect(it.log.splice(0)).toContain("told left so long 192.0.2.7")
  it.presence.handleGoodbye({ reason: 9, text: "so long" }, true, 0)
  expect([it.log, it.presence.isSettled]).toEqual([["wake"], true])
})

test("who has left leaves no more, and an end without goodbye says none", () => {
  const it = new World()
  it.presence.end(REASON.restarted, "", 0)
  it.log.length = 0
  it.presence.leave({ reason: REASON.closing, text: "" }, 0)
  it.presence.end(REASON.restarted, "", 0)
  expect([it.log, it.goodbye.isActive, it.presence.isSettled]).toEqual([[], false, true])
})

test("the application isn't told of the end of a peer of which it was never told", () => {
  const it = new World()
  it.peer.isAnnounced = false
  it.presence.end(REASON.unspecified, "", 0)
  expect(it.log).toEqual(["forsaken", `outgoing closed ${REASON.unspecified}`, `incoming closed ${REASON.unspecified}`])
})
