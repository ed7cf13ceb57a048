import { REASON } from "@x/wire"
import { expect, test } from "vitest"
import type { PeerState } from "../../src/peer/peer-state.ts"
import { Polling, type PollingParts } from "../../src/protocol/polling.ts"

/** What is polled: each notes what it is asked, in order. */
class World {
  readonly log: string[] = []
  readonly peers: PeerState[] = []
  readonly stalled: PeerState[] = []
  /** When each is due. */
  readonly dueMs = { turns: Infinity, joins: Infinity, receiveRates: Infinity, memory: Infinity, standing: Infinity }
  /** Those whose turn it is. */
  readonly awake: PeerState[] = []
  readonly polling: Polling

  constructor(isKeyed = true) {
    const note = (text: string): void => void this.log.push(text)
    const named = (peer: PeerState): string => String(peer.owner)
    const machine = (name: keyof World["dueMs"]): object => {
      const { dueMs } = this
      return {
        get nextTimeoutMs() {
          return dueMs[name]
        },
        poll: () => note(name),
      }
    }
    const also = <T extends object>(base: object, more: T): T => Object.assign(base, more)
    const parts = {
      turns: also(machine("turns"), {
        rouseDue: () => note("rouse"),
        next: () => this.awake.shift(),
        serve: (peer: PeerState) => note(`serve ${named(peer)}`),
        sendData: () => note("data"),
      }),
      joins: machine("joins"),
      membership: { settle: () => note("settle"), probe: (peer: PeerState) => note(`probe ${named(peer)}`) },
      peers: {
        table: { values: () => this.peers },
        forget: (peer: PeerState) => note(`forget ${named(peer)}`),
      },
      associations: { release: (association: unknown) => note(`release ${String(association)}`) },
      receiveRates: machine("receiveRates"),
      memory: also(machine("memory"), { takeStalled: () => this.stalled, trim: () => note("trim") }),
      standing: isKeyed ? machine("standing") : undefined,
    }
    this.polling = new Polling(parts as unknown as PollingParts)
  }

  peer(name: string, { isGone = false, retired = [] as string[], hasDataAlone = false } = {}): PeerState {
    const note = (text: string): void => void this.log.push(`${name} ${text}`)
    const peer = {
      ...{ owner: name, handleTimeout: () => retired, beginTurn: () => !hasDataAlone },
      presence: {
        ...{ isProbeWanted: false, isGone: () => isGone },
        excuse: (absentMs: number) => note(`excuse ${absentMs}`),
      },
      pollControl: (_: number, mayJudge: boolean) => note(mayJudge ? "judge" : "control"),
      leave: (reason: number) => note(`leave ${reason}`),
    } as unknown as PeerState
    this.peers.push(peer)
    return peer
  }

  poll(nowMs = 0, mayJudge = true): string[] {
    this.polling.poll(nowMs, mayJudge)
    return this.log.splice(0)
  }
}

test("what is due of the endpoint comes first, then the control packets of all peers, then data", () => {
  const it = new World()
  it.awake.push(it.peer("a"), it.peer("b"))
  const own = ["rouse", "standing", "joins", "settle", "receiveRates"]
  expect(it.poll()).toEqual([...own, "a judge", "serve a", "b judge", "serve b", "data", "trim"])
  it.awake.push(it.peers[0]!)
  expect(it.poll(0, false)).toEqual([...own, "a control", "serve a", "data", "trim"])
})

test("a peer whose turn is for data alone has nothing else to handle", () => {
  const it = new World()
  it.awake.push(it.peer("a", { hasDataAlone: true, isGone: true, retired: ["old"] }))
  expect(it.poll().slice(-3)).toEqual(["serve a", "data", "trim"])
})

test("a peer that is gone is forgotten and sends nothing more; what a peer has no use for is given back", () => {
  const it = new World()
  it.awake.push(it.peer("a", { isGone: true }), it.peer("b", { retired: ["old", "older"] }))
  const log = it.poll()
  expect(log.filter((line) => line.includes("a"))).toContain("forget a")
  expect(log).not.toContain("serve a")
  expect(log.slice(-6)).toEqual(["release old", "release older", "b judge", "serve b", "data", "trim"])
})

test("a peer that wants to know which incarnation is there asks once", () => {
  const it = new World()
  const peer = it.peer("a")
  peer.presence.isProbeWanted = true
  it.awake.push(peer, peer)
  expect(it.poll().filter((line) => line === "probe a")).toHaveLength(1)
})

test("peers that hold what others need, and take nothing, are left before anybody has a turn", () => {
  const it = new World()
  it.stalled.push(it.peer("a"))
  it.awake.push(it.peer("b"))
  const log = it.poll()
  expect(log.indexOf(`a leave ${REASON.stalled}`)).toBeLessThan(log.indexOf("b judge"))
})

test.each(["turns", "joins", "receiveRates", "memory", "standing"] as const)("it is due when %s are", (name) => {
  const it = new World()
  expect(it.polling.nextTimeoutMs).toBe(Infinity)
  it.dueMs[name] = 70
  expect(it.polling.nextTimeoutMs).toBe(70)
})

test("without keys nobody's standing is asked about", () => {
  const it = new World(false)
  it.dueMs.standing = 70
  expect([it.polling.nextTimeoutMs, it.poll().includes("standing")]).toEqual([Infinity, false])
})

test("what we slept through counts as nobody's silence, but only from a second on, and not the first time", () => {
  const it = new World()
  it.peer("a")
  it.dueMs.turns = 5_000
  expect(it.poll(4_000)).not.toContain("a excuse 1000")
  expect(it.poll(6_000).filter((line) => line.includes("excuse"))).toEqual([])
  // Now it was due at once.
  expect(it.poll(7_001).filter((line) => line.includes("excuse"))).toEqual(["a excuse 1001"])
})
