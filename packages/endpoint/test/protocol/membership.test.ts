import type { DropReason } from "@x/wire"
import { expect, test } from "vitest"
import type { Established, JoinEvent } from "../../src/join/established.ts"
import type { HalfOpen } from "../../src/join/half-open.ts"
import type { ReceivedDatagram } from "../../src/join/handshake-reader.ts"
import { JoinCall, type JoinFailure } from "../../src/join/join-call.ts"
import { Association } from "../../src/path/association.ts"
import type { Session } from "../../src/path/session.ts"
import type { PeerState } from "../../src/peer/peer-state.ts"
import type { ProtocolEvent } from "../../src/protocol/events.ts"
import { Membership, type MembershipParts } from "../../src/protocol/membership.ts"
import type { Change } from "../../src/protocol/peers.ts"
import { LIMITS } from "../peer/limits.ts"

const HERE = 1
const ELSEWHERE = 2
const PROBE_MS = 700

function sessionOf(id: number): Session {
  const [unique, local, remote] = [id, id + 1, id + 2].map((value) => new Uint8Array(8).fill(value))
  return { unique: unique!, local: local!, remote: remote!, publicKey: undefined, limits: LIMITS, beganMs: 0 }
}

function associationTo(remoteSlot: number): Association {
  const parts = { slot: 1, remoteSlot, address: HERE, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 }
  return new Association(parts)
}

/** Peers of which the test says what becomes of an established association; and joins with results. */
class World {
  readonly session = sessionOf(5)
  readonly association = associationTo(9)
  readonly peer = this.makePeer(this.session, this.association)
  /** The peer that the table knows. */
  known: PeerState | undefined = this.peer
  kind: Change["kind"] = "joined"
  before: PeerState | undefined
  isRestart = false
  /** What was done, in order. */
  readonly log: string[] = []
  readonly events: ProtocolEvent[] = []
  readonly drops: DropReason[] = []
  readonly results: JoinEvent[] = []
  /** Why joining drops the next datagram, if it does. */
  refused: DropReason | undefined
  readonly owners = new Map<number, object>()
  readonly membership: Membership

  constructor() {
    const table = {
      get: (unique: Uint8Array) => (unique === this.known?.unique ? this.known : undefined),
      at: (address: number) => (address === HERE ? this.known : undefined),
    }
    const note = (text: string): void => void this.log.push(text)
    const parts = {
      joins: {
        pollEvent: () => this.results.shift(),
        ask: () => note("ask"),
        receive: (_: ReceivedDatagram, pending: unknown) => {
          note(`receive ${String(pending)}`)
          return this.refused
        },
        prefer: () => note("prefer"),
        satisfy: () => note("satisfy"),
        confirm: () => this.established,
        probe: (address: number, session: Session, forMs: number) =>
          note(`probe ${address} ${session === this.session} ${forMs}`),
      },
      peers: {
        table,
        establish: () => {
          note("establish")
          return { peer: this.peer, kind: this.kind, before: this.before, isRestart: this.isRestart }
        },
        found: (peer: PeerState, address: number) => note(`found ${peer === this.peer} ${address}`),
      },
      turns: { wake: () => note("wake") },
      slots: { get: (slot: number) => this.owners.get(slot) },
      ...{ events: this.events, probeMs: PROBE_MS, drop: (reason: DropReason) => void this.drops.push(reason) },
    }
    this.membership = new Membership(parts as unknown as MembershipParts)
  }

  makePeer(session: Session, association: Association | undefined): PeerState {
    const ping = (): void => void this.log.push("ping")
    return { session, association, unique: session.unique, publicKey: undefined, ping } as unknown as PeerState
  }

  get established(): Established {
    return { session: this.session, association: this.association, carriedBytes: 1_200 }
  }

  settle(...results: JoinEvent[]): ProtocolEvent[] {
    this.results.push(...results)
    this.membership.settle(0)
    return this.events.splice(0)
  }
}

const call = (): JoinCall => new JoinCall(1_000, false)

test("what a join established is told before the calls that waited for it, and the other side learns of it at once", () => {
  const it = new World()
  const [first, second] = [call(), call()]
  const events = it.settle({ kind: "established", established: it.established, calls: [first, second] })
  expect(events).toEqual([
    { kind: "joined", peer: it.peer },
    { kind: "join-settled", call: first, result: it.peer },
    { kind: "join-settled", call: second, result: it.peer },
  ])
  expect(it.log).toEqual(["prefer", "establish", "wake", "satisfy", "ping"])
})

test("a peer that replaces another is told with the one that is over, and whether that was another incarnation", () => {
  for (const isRestart of [true, false]) {
    const it = new World()
    const before = it.makePeer(sessionOf(50), undefined)
    Object.assign(it, { kind: "replaced", before, isRestart })
    expect(it.settle({ kind: "established", established: it.established, calls: [] })).toEqual([
      { kind: "replaced", peer: it.peer, before, isRestart },
    ])
  }
})

test("one more association of a peer is no news; joins to it are over only if it is the one in use", () => {
  const it = new World()
  it.kind = "more"
  expect(it.settle({ kind: "established", established: it.established, calls: [] })).toEqual([])
  expect(it.log).toEqual(["prefer", "establish", "satisfy", "ping"])
  it.log.length = 0
  const spare = { ...it.established, association: associationTo(10) }
  expect(it.settle({ kind: "established", established: spare, calls: [] })).toEqual([])
  expect(it.log).toEqual(["prefer", "establish", "ping"])
})

test("a call gets the peer that there is once everything has settled", () => {
  const it = new World()
  const waiting = call()
  const after = it.makePeer(it.session, it.association)
  it.known = after
  expect(it.settle({ kind: "established", established: it.established, calls: [waiting] }).at(-1)).toEqual({
    ...{ kind: "join-settled", call: waiting, result: after },
  })
})

test("calls whose join failed are told why; those that came to an existing peer get it, if it is still there", () => {
  const it = new World()
  const waiting = call()
  const failure: JoinFailure = { kind: "timeout", reason: 1, text: "" }
  expect(
    it.settle(
      { kind: "settled", calls: [waiting], result: failure },
      { kind: "settled", calls: [waiting], result: it.session },
      { kind: "settled", calls: [waiting], result: sessionOf(70) },
    ),
  ).toEqual([
    { kind: "join-settled", call: waiting, result: failure },
    { kind: "join-settled", call: waiting, result: it.peer },
  ])
})

test("a half-open join that is confirmed makes the peer, and is told like a join of our own, without a ping", () => {
  const it = new World()
  const waiting = call()
  // A join of ours to the same peer has reached its goal by that.
  it.results.push({ kind: "settled", calls: [waiting], result: it.session })
  expect(it.membership.confirm({} as HalfOpen, 0)).toBe(it.peer)
  expect(it.events).toEqual([
    { kind: "joined", peer: it.peer },
    { kind: "join-settled", call: waiting, result: it.peer },
  ])
  expect(it.log).toEqual(["prefer", "establish", "wake", "satisfy"])
})

test("a peer found at an address is told there, unless it has gone meanwhile", () => {
  const it = new World()
  it.settle({ kind: "found", session: it.session, address: ELSEWHERE })
  it.known = undefined
  it.settle({ kind: "found", session: it.session, address: ELSEWHERE })
  expect(it.log).toEqual([`found true ${ELSEWHERE}`])
})

test("a hint replaces nothing: it is a reason to ask who is there, if it names a datagram that we sent there", () => {
  const it = new World()
  const counter = it.association.takeCounter(100, false, 0)
  it.settle({ kind: "hinted", address: HERE, hint: { slot: 9, counter } })
  expect([it.log, it.drops, it.events]).toEqual([[`probe ${HERE} true ${PROBE_MS}`], [], []])
  it.settle(
    { kind: "hinted", address: ELSEWHERE, hint: { slot: 9, counter } },
    { kind: "hinted", address: HERE, hint: { slot: 8, counter } },
    { kind: "hinted", address: HERE, hint: { slot: 9, counter: counter + 1 } },
  )
  expect([it.log.length, it.drops]).toEqual([1, ["unexpected", "unexpected", "unexpected"]])
})

const from = (address: number): ReceivedDatagram => ({
  ...{ view: new DataView(new ArrayBuffer(0)), bytes: new Uint8Array(0), offset: 0, length: 0, address },
})

test("a datagram outside an association goes to the join of its slot, or to none, and its result is applied at once", () => {
  const it = new World()
  it.owners.set(3, { kind: "join", pending: "of slot 3" })
  for (const slot of [0, 3]) {
    it.results.push({ kind: "settled", calls: [call()], result: it.session })
    it.membership.receive(from(HERE), slot, 0)
    expect(it.events.splice(0)).toMatchObject([{ kind: "join-settled", result: it.peer }])
  }
  expect([it.log, it.drops]).toEqual([["receive undefined", "receive of slot 3"], []])
  it.refused = "rate"
  it.membership.receive(from(HERE), 0, 0)
  expect(it.drops).toEqual(["rate"])
})

test("none is taken for a slot that isn't there or has no join, nor from an address that can't be written", () => {
  const it = new World()
  it.owners.set(3, { kind: "join", pending: "of slot 3" })
  it.owners.set(4, { kind: "half-open" })
  it.membership.receive(from(HERE), 9, 0)
  it.membership.receive(from(HERE), 4, 0)
  it.membership.receive(from(0), 3, 0)
  expect([it.log, it.drops]).toEqual([[], ["unknown-slot", "unexpected", "unexpected"]])
})

test("what asking for a join leads to is applied at once", () => {
  const it = new World()
  it.results.push({ kind: "settled", calls: [call()], result: it.session })
  it.membership.ask(call(), { addresses: [HERE] }, 0)
  expect([it.log, it.events.length]).toEqual([["ask"], 1])
})

test("a peer that was never reached has no address to ask at", () => {
  const it = new World()
  it.membership.probe(it.makePeer(it.session, undefined), 0)
  expect(it.log).toEqual([])
})
