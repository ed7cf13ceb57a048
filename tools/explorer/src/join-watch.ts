/** What must hold while two sides join, leave and restart: it sees what happens, and makes nothing happen. */
import * as wire from "@x/wire"
import type { Session } from "../../../packages/endpoint/src/path/session.ts"
import type { PeerState } from "../../../packages/endpoint/src/peer/peer-state.ts"
import type { Violation } from "./explore.ts"
import { type Incarnation, otherOf, type SideName, SIDES, textOf, type Way } from "./incarnation.ts"

export const JOIN_PROPERTIES = [
  "uniques are those of incarnations",
  "who share sessions agree on uniques",
  "a state keeps its session",
  "nothing live is ended",
  "repeated and forged datagrams end nothing",
  "what is forged leaves no state",
  "applied by its own session only",
  "applied at most once",
  "told of once",
  "one peer at a time",
  "one half-open association for a join",
  "slots are given back",
  "nothing throws",
  "converges",
  "messages of a new session arrive",
] as const
type JoinProperty = (typeof JOIN_PROPERTIES)[number]

/** A datagram that arrived. */
export interface ArrivedDatagram {
  readonly name: string
  readonly bytes: Uint8Array
  /** The direction of an association that it was sent on. */
  readonly way: Way | undefined
}

export class JoinWatch {
  /** The first property that didn't hold. */
  violation: Violation | undefined
  /** Whether the current step was begun by a repeated or forged datagram. */
  isMeddled = false
  /** What followed from one. */
  #meddled: string | undefined
  readonly #sideOf: (side: SideName) => Incarnation
  readonly #uniques: Record<SideName, Set<string>> = { A: new Set(), B: new Set() }
  readonly #told = new Map<PeerState, "joined" | "left" | "replaced">()
  readonly #sessions = new Map<PeerState | Session, string>()
  /** The directions and counters applied, by incarnation. */
  readonly #applied = new Set<string>()

  /** `sideOf`: the incarnation that lives at each side. */
  constructor(sideOf: (side: SideName) => Incarnation) {
    this.#sideOf = sideOf
  }

  /** The uniques of a side's incarnations, the first one first. */
  uniquesOf(side: SideName): ReadonlySet<string> {
    return this.#uniques[side]
  }

  /** An incarnation begins. */
  started({ side, unique }: Incarnation): void {
    this.#uniques[side].add(unique)
  }

  /** An association of this session, under this slot, took a datagram for its own. */
  applied(it: Incarnation, session: Session, slot: number, { way, name, bytes }: ArrivedDatagram): void {
    const local = textOf(session.local)
    const remote = textOf(session.remote)
    const isItsOwn =
      way?.peerUnique === it.unique &&
      way.unique === textOf(session.unique) &&
      way.peerSession === local &&
      way.session === remote
    if (!isItsOwn) this.fail("applied by its own session only", name)
    const counter = wire.prefixCounter(new DataView(bytes.buffer), 0)
    const once = `${it.unique} ${local} ${remote} ${slot} ${counter}`
    if (this.#applied.has(once)) this.fail("applied at most once", name)
    this.#applied.add(once)
  }

  /** An application was told of a peer. */
  joined(at: Incarnation, peer: PeerState): void {
    if (this.#told.has(peer)) this.fail("told of once", `${at.side}: joined again`)
    this.#told.set(peer, "joined")
    const others = [...at.protocol.peers.values()].filter(
      (other) => other !== peer && this.#told.get(other) === "joined",
    )
    if (others.length > 0) this.fail("one peer at a time", `${at.side} was told of one before the other had left`)
    if (this.isMeddled) this.#meddled = `${at.side} was told of a peer`
  }

  /** An application was told that one peer took the place of another. */
  replaced(at: Incarnation, before: PeerState, after: PeerState): void {
    if (this.#told.get(before) !== "left")
      this.fail("told of once", `${at.side}: replaced is a peer that was not told as left`)
    this.#told.set(before, "replaced")
    this.joined(at, after)
  }

  /** An application was told that a peer left: only one that it was told of, and none that still lives and is paired. */
  left(at: Incarnation, peer: PeerState, reason: number): void {
    if (this.#told.get(peer) !== "joined")
      this.fail("told of once", `${at.side}: left, and was ${this.#told.get(peer) ?? "never told of"}`)
    this.#told.set(peer, "left")
    if (this.isMeddled) this.#meddled = `${at.side} was told that its peer left`
    if (reason === wire.REASON.timeout) return
    const there = this.#sideOf(otherOf(at.side))
    const other = there.held
    const isLive = this.#sideOf(at.side) === at && other !== undefined && there.unique === textOf(peer.unique)
    const { local, remote } = peer.session
    if (!isLive || !arePaired(peer, other) || at.unique !== textOf(other.unique) || reason === wire.REASON.closing)
      return
    this.fail(
      "nothing live is ended",
      `${at.side}: ${wire.reasonName(reason)}, ${textOf(local)} with ${textOf(remote)}`,
    )
  }

  /** Looks at what holds in every state. */
  check(): void {
    if (this.#meddled !== undefined) this.fail("repeated and forged datagrams end nothing", this.#meddled)
    for (const side of SIDES) this.#checkSide(this.#sideOf(side))
    const a = this.#sideOf("A").held
    const b = this.#sideOf("B").held
    if (a === undefined || b === undefined || !arePaired(a, b)) return
    const agree = textOf(a.unique) === this.#sideOf("B").unique && textOf(b.unique) === this.#sideOf("A").unique
    if (!agree) this.fail("who share sessions agree on uniques", `A has ${textOf(a.unique)}, B has ${textOf(b.unique)}`)
  }

  #checkSide(it: Incarnation): void {
    const { side, protocol } = it
    const peers = [...protocol.peers.values()]
    const halfOpenSessions = it.associations.map(({ session }) => session)
    // A half-open association will become a peer of its session.
    for (const holder of new Set([...peers, ...halfOpenSessions])) {
      const { unique, local, remote } = "session" in holder ? holder.session : holder
      if (!this.#uniques[otherOf(side)].has(textOf(unique)))
        this.fail("uniques are those of incarnations", `${side}: ${textOf(unique)}`)
      const session = `${textOf(local)} with ${textOf(remote)}`
      const known = this.#sessions.get(holder) ?? session
      if (known !== session) this.fail("a state keeps its session", `${side}: ${known} became ${session}`)
      this.#sessions.set(holder, session)
    }
    const told = [...protocol.peers.values()].filter((peer) => this.#told.get(peer) === "joined")
    if (told.length > 1) this.fail("one peer at a time", `${side} has ${told.length}`)
    const { halfOpen, slots, joins } = protocol.sizes
    const waiting = it.associations.filter(({ isConfirmed }) => !isConfirmed)
    const asked = new Set(
      waiting.map(
        ({ association, session }) => `${textOf(session.unique)} ${textOf(session.remote)} ${association.remoteSlot}`,
      ),
    )
    if (asked.size < waiting.length)
      this.fail("one half-open association for a join", `${side}: ${waiting.length} for ${asked.size}`)
    const used = new Set(peers.flatMap((peer) => peer.associations.map(({ slot }) => slot)))
    // No peer knows of half-open associations, so these are added.
    if (slots > joins + used.size + halfOpen)
      this.fail("slots are given back", `${side}: ${slots} for ${joins} joins and ${used.size} associations`)
  }

  /** Keeps the first failure: later ones may follow from it. */
  fail(property: JoinProperty, seen: string): void {
    this.violation ??= { property, seen }
  }
}

/** Whether two peers are the two ends of one session. */
export function arePaired(a: PeerState, b: PeerState): boolean {
  return textOf(a.session.local) === textOf(b.session.remote) && textOf(a.session.remote) === textOf(b.session.local)
}
