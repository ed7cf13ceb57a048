// What the watch over two sides calls a violation, and what it lets pass: incarnations and peers are made up.

import { PREFIX_BYTES, PROFILE, REASON, writePrefix } from "@x/wire"
import { expect, test } from "vitest"
import type { Session } from "../../../packages/endpoint/src/path/session.ts"
import type { PeerState } from "../../../packages/endpoint/src/peer/peer-state.ts"
import type { Incarnation, SideName } from "../src/incarnation.ts"
import { arePaired, type ArrivedDatagram, type JOIN_PROPERTIES, JoinWatch } from "../src/join-watch.ts"

const identity = (id: number): Uint8Array => new Uint8Array(8).fill(id)
const textOf = (id: number): string => id.toString(16).padStart(2, "0").repeat(8)
const A = 0xaa
const B = 0xbb
const SLOT = 5

/** A session with the incarnation of this unique. */
function session(unique: number, local: number, remote: number): Session {
  return { unique: identity(unique), local: identity(local), remote: identity(remote) } as unknown as Session
}

/** A peer as a state of that session, with one association. */
function peerOf(of: Session, slot = SLOT): PeerState {
  return { unique: of.unique, session: of, associations: [{ slot }] } as unknown as PeerState
}

/** An incarnation by what it holds. */
class Made {
  readonly side: SideName
  readonly unique: string
  readonly peers = new Map<number, PeerState>()
  readonly waiting: { readonly association: object; readonly session: Session; readonly isConfirmed: boolean }[] = []
  joins = 0
  spareSlots = 0

  constructor(side: SideName, unique: number) {
    this.side = side
    this.unique = textOf(unique)
  }

  /** It has this peer from now on. */
  hold(peer: PeerState): PeerState {
    this.peers.set(this.peers.size, peer)
    return peer
  }

  get held(): PeerState | undefined {
    return this.peers.get(0)
  }

  get associations() {
    return this.waiting
  }

  get protocol() {
    const { joins, waiting, peers, spareSlots } = this
    const halfOpen = waiting.length
    return { peers, sizes: { joins, halfOpen, slots: joins + halfOpen + peers.size + spareSlots } }
  }

  get it(): Incarnation {
    return this as unknown as Incarnation
  }
}

class World {
  readonly a = new Made("A", A)
  readonly b = new Made("B", B)
  readonly watch = new JoinWatch((side) => (side === "A" ? this.a : this.b).it)

  constructor() {
    for (const side of [this.a, this.b]) this.watch.started(side.it)
  }

  /** Both sides have each other as a peer, of one session, and were told so. */
  join(): { atA: PeerState; atB: PeerState } {
    const atA = this.a.hold(peerOf(session(B, 1, 2)))
    const atB = this.b.hold(peerOf(session(A, 2, 1)))
    this.watch.joined(this.a.it, atA)
    this.watch.joined(this.b.it, atB)
    return { atA, atB }
  }

  /** What it has found in all that happened, and in the state as it is. */
  get found(): string | undefined {
    this.watch.check()
    return this.watch.violation?.property
  }
}

/** A datagram of B on the way from its session to ours. */
function datagramOf(counter: number, way: Partial<NonNullable<ArrivedDatagram["way"]>> = {}): ArrivedDatagram {
  const bytes = new Uint8Array(PREFIX_BYTES[PROFILE.checksum]!)
  writePrefix(new DataView(bytes.buffer), 0, PROFILE.checksum, false, SLOT, counter)
  const names = { unique: textOf(B), peerUnique: textOf(A), session: textOf(2), peerSession: textOf(1) }
  return { name: `datagram ${counter}`, bytes, way: { ...names, ...way } }
}

type Property = (typeof JOIN_PROPERTIES)[number]

test("two that join, exchange datagrams and leave are all right", () => {
  const world = new World()
  const { atA, atB } = world.join()
  for (const counter of [1, 2]) world.watch.applied(world.a.it, atA.session, SLOT, datagramOf(counter))
  expect(world.found).toBeUndefined()
  world.watch.left(world.a.it, atA, REASON.closing)
  world.a.peers.clear()
  world.watch.left(world.b.it, atB, REASON.closing)
  world.b.peers.clear()
  expect(world.found).toBeUndefined()
  expect([...world.watch.uniquesOf("A")]).toEqual([textOf(A)])
})

test.each<[Property, string, (world: World) => void]>([
  [
    "told of once",
    "a peer is told of twice",
    ({ watch, a }) => {
      const peer = a.hold(peerOf(session(B, 1, 2)))
      for (let i = 0; i < 2; i++) watch.joined(a.it, peer)
    },
  ],
  [
    "told of once",
    "one leaves that was never told of",
    ({ watch, a }) => watch.left(a.it, peerOf(session(B, 1, 2)), 0),
  ],
  [
    "told of once",
    "one is replaced that hasn't left",
    ({ watch, a }) => {
      const before = a.hold(peerOf(session(B, 1, 2)))
      watch.joined(a.it, before)
      watch.replaced(a.it, before, peerOf(session(B, 3, 4)))
    },
  ],
  [
    "one peer at a time",
    "one is told of while there is another",
    ({ watch, a }) => {
      watch.joined(a.it, a.hold(peerOf(session(B, 1, 2))))
      watch.joined(a.it, a.hold(peerOf(session(B, 3, 4), SLOT + 1)))
    },
  ],
])("%s: %s", (property, _, run) => {
  const world = new World()
  run(world)
  expect(world.found).toBe(property)
})

test.each<[Property | undefined, number, boolean]>([
  ["nothing live is ended", REASON.restarted, true],
  [undefined, REASON.restarted, false],
  [undefined, REASON.timeout, true],
  [undefined, REASON.closing, true],
])("%s: a peer leaves for reason %i, paired: %s", (property, reason, isPaired) => {
  const world = new World()
  const { atA, atB } = world.join()
  if (!isPaired) Object.assign(atB, { session: session(A, 2, 3) })
  world.watch.left(world.a.it, atA, reason)
  expect(world.watch.violation?.property).toBe(property)
})

test("what follows from a repeated or forged datagram is a violation, and nothing else is", () => {
  const world = new World()
  world.watch.isMeddled = true
  world.join()
  world.watch.isMeddled = false
  expect(world.found).toBe("repeated and forged datagrams end nothing")
})

test.each([
  ["another sender", { unique: textOf(A) }],
  ["another receiver", { peerUnique: textOf(B) }],
  ["another session of the sender", { session: textOf(3) }],
  ["another session of the receiver", { peerSession: textOf(3) }],
])("a datagram of %s may not be applied", (_, way) => {
  const world = new World()
  const { atA } = world.join()
  world.watch.applied(world.a.it, atA.session, SLOT, datagramOf(1, way))
  expect(world.found).toBe("applied by its own session only")
})

test("a datagram may be applied once, under each slot", () => {
  const world = new World()
  const { atA } = world.join()
  world.watch.applied(world.a.it, atA.session, SLOT, datagramOf(1))
  world.watch.applied(world.a.it, atA.session, SLOT + 1, datagramOf(1))
  expect(world.found).toBeUndefined()
  world.watch.applied(world.a.it, atA.session, SLOT, datagramOf(1))
  expect(world.found).toBe("applied at most once")
})

test.each<[Property, string, (world: World) => void]>([
  ["uniques are those of incarnations", "a peer that never was", ({ a }) => void a.hold(peerOf(session(0xcc, 1, 2)))],
  [
    "who share sessions agree on uniques",
    "a peer of a former incarnation",
    ({ watch, a, b }) => {
      watch.started(new Made("B", 0xbc).it)
      a.hold(peerOf(session(0xbc, 1, 2)))
      b.hold(peerOf(session(A, 2, 1)))
    },
  ],
  [
    "a state keeps its session",
    "a peer whose session becomes another",
    ({ watch, a }) => {
      const peer = a.hold(peerOf(session(B, 1, 2)))
      watch.check()
      Object.assign(peer, { session: session(B, 1, 3) })
    },
  ],
  [
    "one half-open association for a join",
    "two that one join asked for",
    ({ a }) => {
      for (const slot of [1, 2]) {
        const association = { slot, remoteSlot: 7 }
        a.waiting.push({ association, session: session(B, 1, 2), isConfirmed: false })
      }
    },
  ],
  ["slots are given back", "one slot more than is used", ({ a }) => void (a.spareSlots = 1)],
])("%s: %s", (property, _, change) => {
  const world = new World()
  expect(world.found).toBeUndefined()
  change(world)
  expect(world.found).toBe(property)
})

test("slots of joins, half-open associations and peers are used", () => {
  const world = new World()
  world.join()
  world.a.joins = 2
  world.a.waiting.push({ association: { slot: 8, remoteSlot: 7 }, session: session(B, 3, 4), isConfirmed: false })
  expect(world.found).toBeUndefined()
})

test("the first violation is kept", () => {
  const { watch } = new World()
  watch.fail("converges", "first")
  watch.fail("told of once", "second")
  expect(watch.violation).toEqual({ property: "converges", seen: "first" })
})

test("peers are paired by the sessions of both ends", () => {
  const one = peerOf(session(B, 1, 2))
  expect(arePaired(one, peerOf(session(A, 2, 1)))).toBe(true)
  expect(arePaired(one, peerOf(session(A, 2, 3)))).toBe(false)
  expect(arePaired(one, peerOf(session(A, 3, 1)))).toBe(false)
})
