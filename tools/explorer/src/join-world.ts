/** Two sides, the network between them and attackers on it: everything that can happen, and what must always hold. */
import * as wire from "@x/wire"
import type { Session } from "../../../packages/endpoint/src/path/session.ts"
import type { PeerState } from "../../../packages/endpoint/src/peer/peer-state.ts"
import { nameOfDatagram } from "./datagram-name.ts"
import type { Violation } from "./explore.ts"
import { FORGERIES, forge, type Forgery } from "./forgeries.ts"
import { fieldsOf, Incarnation, type Observer, otherOf, type SideName, SIDES, textOf, type Way } from "./incarnation.ts"
import { describeIncarnation, renamed } from "./join-key.ts"

/** The bounds of a run. */
export interface JoinScope {
  /** Whether the sides have joined and exchanged a message before the run begins. */
  readonly isJoined: boolean
  /** How often each side's application joins the other side. */
  readonly joins: Readonly<Record<SideName, number>>
  /** Crashes of each side, with a restart at the same address. */
  readonly crashes?: Partial<Record<SideName, 0 | 1>>
  readonly leaves?: Partial<Record<SideName, number>>
  /** Goodbyes don't arrive. */
  readonly isLeavingUnheard?: boolean
  /** How often each side probes which incarnation is at the peer's address, as after unanswered heartbeats. */
  readonly probes?: Partial<Record<SideName, number>>
  /** How many datagrams are lost or duplicated. */
  readonly faults?: number
  /** How often the next deadline comes before the datagrams under way arrive. */
  readonly timeouts?: number
  /** How many datagrams that arrived are sent again by an attacker on the path. */
  readonly replays?: number
  /** How many datagrams an attacker forges that sees none. */
  readonly forgeries?: number
  /** While this many datagrams are under way, the applications begin nothing and no time passes. */
  readonly inFlightMax?: number
}

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

interface Datagram {
  readonly name: string
  readonly bytes: Uint8Array
  readonly to: SideName
  readonly way: Way | undefined
}

type Budget =
  | "faults"
  | "timeouts"
  | "replays"
  | "forgeries"
  | `${"joins" | "crashes" | "leaves" | "probes"} ${SideName}`

const FAIR_STEPS_MAX = 1_500
const MESSAGE_STEPS_MAX = 100

export class JoinWorld {
  readonly scope: JoinScope
  nowMs = 0
  readonly sides: Record<SideName, Incarnation>
  inFlight: Datagram[] = []
  violation: Violation | undefined
  readonly #spent = new Map<Budget, number>()
  /** Datagrams that arrived, by name: an attacker on the path may send them again. */
  readonly #arrived = new Map<string, Datagram>()
  readonly #uniques: Record<SideName, Set<string>> = { A: new Set(), B: new Set() }
  readonly #told = new Map<PeerState, "joined" | "left" | "replaced">()
  readonly #sessions = new Map<PeerState | Session, string>()
  /** The directions and counters applied, by incarnation. */
  readonly #applied = new Set<string>()
  readonly #observer: Observer
  /** Whether the current step was begun by a repeated or forged datagram, and what followed from it. */
  #isMeddled = false
  #meddled: string | undefined

  constructor(scope: JoinScope) {
    this.scope = scope
    this.#observer = {
      onSend: (from, bytes, way) => this.#sent(from, bytes, way),
      onJoined: (at, peer) => this.#joined(at, peer),
      onReplaced: (at, before, after) => {
        if (this.#told.get(before) !== "left")
          this.#fail("told of once", `${at.side}: replaced is a peer that was not told as left`)
        this.#told.set(before, "replaced")
        this.#joined(at, after)
      },
      onLeft: (at, peer, reason) => this.#left(at, peer, reason),
      onJoinFailed: () => {},
    }
    this.sides = { A: this.#start("A", 0), B: this.#start("B", 0) }
    if (scope.isJoined) this.#joinBefore()
  }

  #start(side: SideName, number: number): Incarnation {
    const it = new Incarnation(side, number, this.nowMs, this.#observer)
    this.#uniques[side].add(it.unique)
    return it
  }

  #joinBefore(): void {
    this.sides.A.join(this.nowMs)
    this.#turn()
    this.#deliverAll()
    this.#exchange()
    this.nowMs += 10
    this.#turn()
    this.#deliverAll()
    for (const side of SIDES) {
      if (this.sides[side].held === undefined || this.sides[side].messages === 0)
        throw new Error("the sides did not join")
      this.sides[side].messages = 0
      this.sides[side].isWilling = false
    }
  }

  #deliverAll(): void {
    for (let steps = 0; this.inFlight.length > 0; steps++) {
      if (steps > MESSAGE_STEPS_MAX) throw new Error("datagrams without end")
      this.#arrive(this.inFlight.shift()!)
      this.#turn()
    }
  }

  // What can happen in a state.

  actions(): string[] {
    const { scope } = this
    const actions: string[] = []
    const isQuiet = this.inFlight.length < (scope.inFlightMax ?? Infinity)
    for (const side of SIDES) {
      const it = this.sides[side]
      const { held } = it
      if (isQuiet && !it.isJoining && held === undefined && this.#has(`joins ${side}`, scope.joins[side]))
        actions.push(`${side} joins`)
      if (isQuiet && held !== undefined && this.#has(`leaves ${side}`, scope.leaves?.[side]))
        actions.push(`${side} leaves`)
      if (isQuiet && held !== undefined && this.#has(`probes ${side}`, scope.probes?.[side]))
        actions.push(`${side} asks`)
      if (this.#has(`crashes ${side}`, scope.crashes?.[side])) actions.push(`${side} crashes`)
    }
    const names = new Set(this.inFlight.map(({ name }) => name))
    for (const name of names) {
      actions.push(`deliver ${name}`)
      if (this.#has("faults", scope.faults)) actions.push(`lose ${name}`, `double ${name}`)
    }
    if (isQuiet && this.#has("timeouts", scope.timeouts) && this.#nextMs !== Infinity) actions.push("time passes")
    if (this.#has("replays", scope.replays)) for (const name of this.#arrived.keys()) actions.push(`repeat ${name}`)
    if (this.#has("forgeries", scope.forgeries))
      for (const side of SIDES) for (const name of FORGERIES) actions.push(`forge ${name} to ${side}`)
    return actions
  }

  #has(budget: Budget, max = 0): boolean {
    return (this.#spent.get(budget) ?? 0) < max
  }

  #spend(budget: Budget): void {
    this.#spent.set(budget, (this.#spent.get(budget) ?? 0) + 1)
  }

  apply(action: string): void {
    const [first = "", verb = ""] = action.split(" ", 2)
    if (first === "A" || first === "B") this.#act(first, verb)
    else if (first === "time") {
      this.#spend("timeouts")
      this.#passTime()
    } else if (first === "forge") this.#forge(action)
    else this.#handle(first, action.slice(first.length + 1))
    if (first !== "time") this.#turn()
    this.#isMeddled = false
    this.#check()
  }

  #act(side: SideName, verb: string): void {
    const it = this.sides[side]
    if (verb === "joins") {
      this.#spend(`joins ${side}`)
      it.join(this.nowMs)
    } else if (verb === "leaves") {
      this.#spend(`leaves ${side}`)
      it.isWilling = false
      it.held!.leave(wire.REASON.closing, "", this.nowMs)
    } else if (verb === "asks") {
      this.#spend(`probes ${side}`)
      const { membership } = fieldsOf<{ membership: { probe(peer: PeerState, nowMs: number): void } }>(it.protocol)
      membership.probe(it.held!, this.nowMs)
    } else {
      this.#spend(`crashes ${side}`)
      this.sides[side] = this.#start(side, it.number + 1)
      // The new incarnation wants the same as the one before.
      this.sides[side].isWilling = it.isWilling
    }
  }

  #handle(verb: string, name: string): void {
    if (verb === "repeat") {
      this.#spend("replays")
      this.#isMeddled = true
      return this.#arrive(this.#arrived.get(name)!)
    }
    const index = this.inFlight.findIndex((datagram) => datagram.name === name)
    if (verb === "deliver") return this.#arrive(this.inFlight.splice(index, 1)[0]!)
    this.#spend("faults")
    if (verb === "lose") this.inFlight.splice(index, 1)
    else this.inFlight.push(this.inFlight[index]!)
  }

  #forge(action: string): void {
    this.#spend("forgeries")
    const to = action.at(-1) as SideName
    const kind = action.slice("forge ".length, -" to A".length) as Forgery
    const { protocol } = this.sides[to]
    const before = protocol.sizes
    this.#isMeddled = true
    this.sides[to].receive(forge(kind, this.sides[to]), this.nowMs)
    const after = protocol.sizes
    const isProbed = kind === "hint of a guessed slot"
    if (
      after.slots > before.slots + (isProbed ? 1 : 0) ||
      after.halfOpen !== before.halfOpen ||
      after.peers !== before.peers
    )
      this.#fail("what is forged leaves no state", `${to}: ${JSON.stringify(before)} became ${JSON.stringify(after)}`)
  }

  get #nextMs(): number {
    return Math.min(this.sides.A.protocol.nextTimeoutMs, this.sides.B.protocol.nextTimeoutMs)
  }

  #passTime(): void {
    this.nowMs = Math.max(this.nowMs, this.#nextMs)
    for (const side of SIDES) this.sides[side].run(this.nowMs, true)
  }

  #turn(): void {
    for (const side of SIDES) this.sides[side].run(this.nowMs, false)
  }

  #arrive(datagram: Datagram): void {
    const it = this.sides[datagram.to]
    this.#arrived.set(datagram.name, datagram)
    const before = new Map(
      it.associations.map(({ association, session }) => [
        association,
        { session, count: association.datagramsReceived },
      ]),
    )
    it.receive(datagram.bytes, this.nowMs)
    for (const [association, { session, count }] of before)
      if (association.datagramsReceived > count) this.#noteApplied(it, session, association.slot, datagram)
  }

  #noteApplied(it: Incarnation, session: Session, slot: number, { way, name, bytes }: Datagram): void {
    const local = textOf(session.local)
    const remote = textOf(session.remote)
    const isItsOwn =
      way?.peerUnique === it.unique &&
      way.unique === textOf(session.unique) &&
      way.peerSession === local &&
      way.session === remote
    if (!isItsOwn) this.#fail("applied by its own session only", name)
    const counter = wire.prefixCounter(new DataView(bytes.buffer), 0)
    const once = `${it.unique} ${local} ${remote} ${slot} ${counter}`
    if (this.#applied.has(once)) this.#fail("applied at most once", name)
    this.#applied.add(once)
  }

  #sent({ side }: Incarnation, bytes: Uint8Array, way: Way | undefined): void {
    const name = nameOfDatagram(bytes, side)
    if (this.scope.isLeavingUnheard !== true || !name.includes("goodbye"))
      this.inFlight.push({ name, bytes, to: otherOf(side), way })
  }

  // What has to hold.

  #joined(at: Incarnation, peer: PeerState): void {
    if (this.#told.has(peer)) this.#fail("told of once", `${at.side}: joined again`)
    this.#told.set(peer, "joined")
    const others = [...at.protocol.peers.values()].filter(
      (other) => other !== peer && this.#told.get(other) === "joined",
    )
    if (others.length > 0) this.#fail("one peer at a time", `${at.side} was told of one before the other had left`)
    if (this.#isMeddled) this.#meddled = `${at.side} was told of a peer`
  }

  #left(at: Incarnation, peer: PeerState, reason: number): void {
    if (this.#told.get(peer) !== "joined")
      this.#fail("told of once", `${at.side}: left, and was ${this.#told.get(peer) ?? "never told of"}`)
    this.#told.set(peer, "left")
    if (reason === wire.REASON.closing) at.isWilling = false
    if (this.#isMeddled) this.#meddled = `${at.side} was told that its peer left`
    if (reason === wire.REASON.timeout) return
    const other = this.sides[otherOf(at.side)].held
    const isLive =
      this.sides[at.side] === at && other !== undefined && this.sides[otherOf(at.side)].unique === textOf(peer.unique)
    const { local, remote } = peer.session
    if (!isLive || !arePaired(peer, other) || at.unique !== textOf(other.unique) || reason === wire.REASON.closing)
      return
    this.#fail(
      "nothing live is ended",
      `${at.side}: ${wire.reasonName(reason)}, ${textOf(local)} with ${textOf(remote)}`,
    )
  }

  #check(): void {
    if (this.#meddled !== undefined) this.#fail("repeated and forged datagrams end nothing", this.#meddled)
    for (const side of SIDES) this.#checkSide(this.sides[side])
    const a = this.sides.A.held
    const b = this.sides.B.held
    if (a === undefined || b === undefined || !arePaired(a, b)) return
    const agree = textOf(a.unique) === this.sides.B.unique && textOf(b.unique) === this.sides.A.unique
    if (!agree)
      this.#fail("who share sessions agree on uniques", `A has ${textOf(a.unique)}, B has ${textOf(b.unique)}`)
  }

  #checkSide(it: Incarnation): void {
    const { side, protocol } = it
    const peers = [...protocol.peers.values()]
    const halfOpenSessions = it.associations.map(({ session }) => session)
    // A half-open association will become a peer of its session.
    for (const holder of new Set([...peers, ...halfOpenSessions])) {
      const { unique, local, remote } = "session" in holder ? holder.session : holder
      if (!this.#uniques[otherOf(side)].has(textOf(unique)))
        this.#fail("uniques are those of incarnations", `${side}: ${textOf(unique)}`)
      const session = `${textOf(local)} with ${textOf(remote)}`
      const known = this.#sessions.get(holder) ?? session
      if (known !== session) this.#fail("a state keeps its session", `${side}: ${known} became ${session}`)
      this.#sessions.set(holder, session)
    }
    const told = [...protocol.peers.values()].filter((peer) => this.#told.get(peer) === "joined")
    if (told.length > 1) this.#fail("one peer at a time", `${side} has ${told.length}`)
    const { halfOpen, slots, joins } = protocol.sizes
    const waiting = it.associations.filter(({ isConfirmed }) => !isConfirmed)
    const asked = new Set(
      waiting.map(
        ({ association, session }) => `${textOf(session.unique)} ${textOf(session.remote)} ${association.remoteSlot}`,
      ),
    )
    if (asked.size < waiting.length)
      this.#fail("one half-open association for a join", `${side}: ${waiting.length} for ${asked.size}`)
    const used = new Set(peers.flatMap((peer) => peer.associations.map(({ slot }) => slot)))
    // No peer knows of half-open associations, so these are added.
    if (slots > joins + used.size + halfOpen)
      this.#fail("slots are given back", `${side}: ${slots} for ${joins} joins and ${used.size} associations`)
  }

  #fail(property: JoinProperty, seen: string): void {
    this.violation ??= { property, seen }
  }

  // How states are compared.

  key(): string {
    const spent = [...this.#spent].map(([budget, count]) => `${budget} ${count}`).toSorted()
    const canRepeat = this.#has("replays", this.scope.replays)
    return this.#describe([...spent, ...(canRepeat ? [...this.#arrived.keys()].toSorted() : [])].join("|"))
  }

  behaviour(): string {
    return this.#describe("")
  }

  #describe(more: string): string {
    const names = new Map(
      SIDES.flatMap((side) =>
        [...this.#uniques[side]].map((unique, i) => [`#${unique.slice(-10)}`, side === "A" ? i : 10 + i]),
      ),
    )
    const sides = SIDES.map((side) => renamed(describeIncarnation(this.sides[side], this.nowMs), names)).join("\n")
    const flying = this.inFlight.map(({ name }) => name).toSorted()
    return `${sides}\n${renamed(flying.join("\n"), names)}\n${renamed(more, names)}`
  }

  // The continuation without faults.

  /**
   * Datagrams arrive in order, without loss, and time passes only when none is under way. A side that wants the other
   * but failed to join it tries again.
   */
  converge(known: Set<string>): Violation | undefined {
    const passed: string[] = []
    for (let step = 0; ; step++) {
      if (step === FAIR_STEPS_MAX)
        return { property: "converges", seen: `not over after ${FAIR_STEPS_MAX} steps: ${this.#unsettled()}` }
      const behaviour = this.behaviour()
      if (known.has(behaviour)) break
      passed.push(behaviour)
      const eager = SIDES.map((side) => this.sides[side]).find(
        (it) => it.isWilling && !it.isJoining && it.held === undefined,
      )
      if (eager !== undefined) eager.join(this.nowMs)
      else if (this.inFlight.length > 0) this.#arrive(this.inFlight.shift()!)
      else if (this.#unsettled() === undefined) {
        this.#converse()
        if (this.violation !== undefined) return this.violation
        break
      } else if (this.#nextMs === Infinity)
        return { property: "converges", seen: `nothing will happen any more: ${this.#unsettled()}` }
      else this.#passTime()
      this.#turn()
      this.#check()
      if (this.violation !== undefined) return this.violation
    }
    for (const behaviour of passed) known.add(behaviour)
    return undefined
  }

  /** What has yet to come about. */
  #unsettled(): string | undefined {
    const { A, B } = this.sides
    for (const { protocol, side } of [A, B]) {
      const { joins, halfOpen } = protocol.sizes
      if (joins > 0 || halfOpen > 0) return `${side} has ${joins} joins under way, and ${halfOpen} half open`
      for (const { liveness } of protocol.peers.values())
        if (liveness !== "joined") return `${side} has a peer that is ${liveness}`
    }
    const a = A.held
    const b = B.held
    if (a === undefined && b === undefined) return A.isWilling || B.isWilling ? "nobody is joined" : undefined
    if (a === undefined || b === undefined) return `only ${a === undefined ? "B" : "A"} has a peer`
    if (textOf(a.unique) !== B.unique || textOf(b.unique) !== A.unique) return "a peer is of a former incarnation"
    if (!arePaired(a, b)) return "they are of two sessions"
    const isOne = a.association!.slot === b.association!.remoteSlot && a.association!.remoteSlot === b.association!.slot
    return isOne ? undefined : "they use two associations"
  }

  #converse(): void {
    if (this.sides.A.held === undefined) return
    this.sides.A.messages = this.sides.B.messages = 0
    this.#exchange()
    for (const side of SIDES)
      if (this.sides[side].messages !== 1)
        this.#fail("messages of a new session arrive", `${side} got ${this.sides[side].messages} of 1`)
  }

  #exchange(): void {
    for (const side of SIDES) this.sides[side].say(this.sides[side].held!, this.nowMs)
    this.#turn()
    for (let step = 0; step < MESSAGE_STEPS_MAX; step++) {
      if (this.inFlight.length > 0) this.#arrive(this.inFlight.shift()!)
      else if (this.sides.A.messages > 0 && this.sides.B.messages > 0 && SIDES.every((side) => this.#isSaid(side)))
        return
      else this.#passTime()
      this.#turn()
    }
  }

  #isSaid(side: SideName): boolean {
    const { outgoing } = this.sides[side].held ?? {}
    return outgoing === undefined || [...outgoing.all()].length === 0
  }
}

function arePaired(a: PeerState, b: PeerState): boolean {
  return textOf(a.session.local) === textOf(b.session.remote) && textOf(a.session.remote) === textOf(b.session.local)
}
