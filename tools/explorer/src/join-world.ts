/** Two sides, the network between them and attackers on it: everything that can happen. */
import * as wire from "@x/wire"
import type { PeerState } from "../../../packages/endpoint/src/peer/peer-state.ts"
import { nameOfDatagram } from "./datagram-name.ts"
import type { Violation } from "./explore.ts"
import { FORGERIES, forge, type Forgery } from "./forgeries.ts"
import { fieldsOf, Incarnation, type Observer, otherOf, type SideName, SIDES, textOf, type Way } from "./incarnation.ts"
import { describeIncarnation, renamed } from "./join-key.ts"
import { type ArrivedDatagram, arePaired, JoinWatch } from "./join-watch.ts"

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

interface Datagram extends ArrivedDatagram {
  readonly to: SideName
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
  readonly #spent = new Map<Budget, number>()
  /** Datagrams that arrived, by name: an attacker on the path may send them again. */
  readonly #arrived = new Map<string, Datagram>()
  readonly #watch: JoinWatch
  readonly #observer: Observer

  constructor(scope: JoinScope) {
    this.scope = scope
    const watch = new JoinWatch((side) => this.sides[side])
    this.#watch = watch
    this.#observer = {
      onSend: (from, bytes, way) => this.#sent(from, bytes, way),
      onJoined: (at, peer) => watch.joined(at, peer),
      onReplaced: (at, before, after) => watch.replaced(at, before, after),
      onLeft: (at, peer, reason) => {
        if (reason === wire.REASON.closing) at.isWilling = false
        watch.left(at, peer, reason)
      },
      onJoinFailed: () => {},
    }
    this.sides = { A: this.#start("A", 0), B: this.#start("B", 0) }
    if (scope.isJoined) this.#joinBefore()
  }

  get violation(): Violation | undefined {
    return this.#watch.violation
  }

  #start(side: SideName, number: number): Incarnation {
    const it = new Incarnation(side, number, this.nowMs, this.#observer)
    this.#watch.started(it)
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
    this.#watch.isMeddled = false
    this.#watch.check()
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
      this.#watch.isMeddled = true
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
    this.#watch.isMeddled = true
    this.sides[to].receive(forge(kind, this.sides[to]), this.nowMs)
    const after = protocol.sizes
    const isProbed = kind === "hint of a guessed slot"
    if (
      after.slots > before.slots + (isProbed ? 1 : 0) ||
      after.halfOpen !== before.halfOpen ||
      after.peers !== before.peers
    )
      this.#watch.fail(
        "what is forged leaves no state",
        `${to}: ${JSON.stringify(before)} became ${JSON.stringify(after)}`,
      )
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
      if (association.datagramsReceived > count) this.#watch.applied(it, session, association.slot, datagram)
  }

  #sent({ side }: Incarnation, bytes: Uint8Array, way: Way | undefined): void {
    const name = nameOfDatagram(bytes, side)
    if (this.scope.isLeavingUnheard !== true || !name.includes("goodbye"))
      this.inFlight.push({ name, bytes, to: otherOf(side), way })
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
        [...this.#watch.uniquesOf(side)].map((unique, i) => [`#${unique.slice(-10)}`, side === "A" ? i : 10 + i]),
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
      this.#watch.check()
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
        this.#watch.fail("messages of a new session arrive", `${side} got ${this.sides[side].messages} of 1`)
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
