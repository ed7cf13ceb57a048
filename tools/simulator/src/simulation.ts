/**
 * One seed: a world of nodes, a time of faults in which nothing may go wrong (safety), then a whole network on which
 * all promises have to be kept in time (liveness), then an end that leaves nothing behind. The file is long, but one
 * thing: the three parts run one after the other in the same world, and each is what the one before has left.
 *
 * @module
 */

import type { Peer } from "@x/endpoint"
import { systemHost } from "@x/transport"
import { createNetwork, type LinkOptions, type Network, type SimulatedHost } from "@x/transport/simulated"
import {
  convergenceBounds,
  isConverged,
  isHeldInVain,
  pathAllowanceMs,
  sendingBounds,
  unfinished,
} from "./convergence.ts"
import { checkCounters } from "./counters.ts"
import { Doings } from "./doings.ts"
import { Guests } from "./guests.ts"
import { Draw, insideOf } from "@x/testkit"
import { Judge } from "./judge.ts"
import type { StreamLedger } from "./ledger.ts"
import { MixOfNodes } from "./mix.ts"
import { Nemesis } from "./nemesis.ts"
import { Node } from "./node.ts"
import { PathNemesis } from "./path-nemesis.ts"
import type { Process } from "./process.ts"
import type { ProcessWorld } from "./process-world.ts"
import { checkPromises } from "./promises.ts"
import { drawScenario, type Scenario } from "./scenario.ts"
import type { SimulationOptions, SimulationResult } from "./simulation-result.ts"
import { startActors } from "./start-actors.ts"
import { Timers } from "./timers.ts"
import { Workload } from "./workload.ts"

export type { SimulationOptions, SimulationResult } from "./simulation-result.ts"

/** For the end: lingering, goodbyes, and the time for which ended peers and streams are remembered. */
const ENDING_MS = 300_000
/** For an endpoint that is being closed when the network heals. */
const CLOSING_MS = 20_000
/** For what is told and forgotten after the last guest is seen to be gone. */
const GONE_MS = 30_000
/** What requests of topics and of answers may take, beyond their deadlines and the lag: all of these are shorter. */
const MIX_MS = 30_000
/** Messages without a promise are given up after five seconds without progress. */
const GIVEN_UP_MS = 6_000
/**
 * An idle peer gets a heartbeat three intervals after the last one. Only then does a process notice that its peer has
 * forgotten it, or that another process is there.
 */
const NOTICE_HEARTBEATS = 3

/** What is said last: where paths have become narrow, enough for datagrams of the size that they carried before. */
const SHORT_BYTES = 100
const LONG_BYTES = 20_000

/** More than most chains of promises need; the rest continues in the next step. */
const MICROTASKS = 12
const SETTLED = Promise.resolve()

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options).run()
}

class Simulation {
  readonly #scenario: Scenario
  readonly #virtualMs: number
  readonly #network: Network
  readonly #judge: Judge
  /** The host that runs the actors: no fault affects it. */
  readonly #director: SimulatedHost
  readonly #nodes: Node[] = []
  readonly #ledgers = new Map<number, StreamLedger>()
  readonly #touched = new Set<Process>()
  readonly #actors: Timers
  readonly #consumers: Timers
  readonly #workload: Workload
  readonly #nemesis: Nemesis
  readonly #pathNemesis: PathNemesis
  readonly #doings: Doings
  readonly #guests: Guests
  readonly #mix: MixOfNodes | undefined
  readonly #notes: string[] = []
  #convergenceShare = 0
  #isStrict = true
  #isThorough = false

  constructor({ seed, virtualMs, preset, recordLines = 0 }: SimulationOptions) {
    const scenario = drawScenario(seed, preset)
    this.#scenario = scenario
    this.#virtualMs = virtualMs
    const link = { ...scenario.path, ...scenario.faults }
    this.#network = createNetwork({
      seed,
      link,
      crypto: systemHost().crypto,
      settle: () => this.#settle(),
      recordLines,
    })
    this.#judge = new Judge(() => this.#network.now)
    this.#director = this.#network.host("director", { v4: false, v6: false })
    this.#actors = new Timers(this.#director)
    this.#consumers = new Timers(this.#director)
    const after = (ms: number, run: () => void): void => this.#actors.after(ms, run)
    const draw = new Draw(seed, "workload")
    const { traffic } = scenario
    this.#workload = new Workload({ judge: this.#judge, traffic, draw, nextKey: () => this.#ledgers.size + 1, after })
    this.#mix = this.#makeMix(after)
    this.#makeNodes(new Draw(seed, "handling"))
    const struck = {
      network: this.#network,
      nodes: this.#nodes,
      scenario,
      after,
      note: (text: string) => void this.#notes.push(`${this.#network.now.toFixed(3)} ms ${text}`),
    }
    this.#nemesis = new Nemesis({ ...struck, draw: new Draw(seed, "nemesis") })
    const pathDraw = new Draw(seed, "nemesis of paths")
    this.#pathNemesis = new PathNemesis({ ...struck, draw: pathDraw, judge: this.#judge })
    if (scenario.disasters.mute !== undefined || scenario.pathFaults.attacker !== undefined)
      this.#network.filter((datagram) => {
        this.#pathNemesis.see(datagram)
        return this.#nemesis.keeps(datagram)
      })
    this.#doings = new Doings({
      judge: this.#judge,
      nodes: this.#nodes,
      draw: new Draw(seed, "doings of nodes"),
      nextKey: () => this.#ledgers.size + 1,
      after,
      close: (node, ms) => this.#nemesis.close(node, ms),
    })
    // They go on while the nodes converge.
    const lasting = new Timers(this.#director)
    this.#guests = new Guests(scenario.guests, {
      ...{ ...struck, options: scenario.options, draw: new Draw(seed, "doings of guests") },
      after: (ms, run) => lasting.after(ms, run),
    })
  }

  #makeMix(after: (ms: number, run: () => void) => void): MixOfNodes | undefined {
    const { seed, mix, options } = this.#scenario
    if (mix === undefined) return undefined
    return new MixOfNodes(seed, {
      ...{ mix, after, judge: this.#judge, consumers: this.#consumers, messageBytesMax: options.messageBytesMax! },
      processes: () => this.#nodes.map(({ process }) => process),
    })
  }

  #makeNodes(draw: Draw): void {
    // A node that lost a peer joins it again, even when the network is whole.
    const joins = new Timers(this.#director)
    const lasting = (ms: number, run: () => void): void => joins.after(ms, run)
    const { nodes, options, traffic, nat, mobile } = this.#scenario
    const world: ProcessWorld = {
      judge: this.#judge,
      ledgers: this.#ledgers,
      touched: this.#touched,
      consumers: this.#consumers,
      handlingMs: () => draw.uniform(0, traffic.handlingMs),
      processes: () => this.#nodes.map(({ process }) => process),
      isGuest: (unique) => this.#guests.has(unique),
      isForged: (address) => this.#pathNemesis.isForged(address),
      onBound: (process) => this.#mix?.enter(process),
      onTurn: (process) => this.#mix?.check(process),
      onAlone: (process) =>
        lasting(draw.around(300), () => this.#nodes.find((node) => node.process === process)?.joinAll()),
    }
    for (let i = 0; i < nodes; i++) this.#nodes.push(new Node(`n${i}`, this.#network, options, world, lasting))
    // Each pair is joined by one side, by the other, or by both at once.
    for (const [i, node] of this.#nodes.entries()) {
      for (const other of this.#nodes.slice(i + 1)) {
        const isNatted = nat !== undefined
        const drawn = draw.whole(0, 2)
        // Nobody can write first to who is behind a NAT.
        const by = isNatted && this.#nodes[mobile] === node ? 0 : isNatted && this.#nodes[mobile] === other ? 1 : drawn
        if (by !== 1) node.targets.push(other)
        if (by !== 0) other.targets.push(node)
      }
    }
  }

  async run(): Promise<SimulationResult> {
    try {
      await this.#safety()
      if (!this.#hasFailed) await this.#liveness()
      if (!this.#hasFailed) await this.#ending()
    } catch (error) {
      this.#judge.fail("quiet", error instanceof Error ? (error.stack ?? error.message) : String(error))
    }
    return this.#result()
  }

  async #safety(): Promise<void> {
    for (const node of this.#nodes) void node.start()
    this.#guests.start()
    startActors({
      ...{ scenario: this.#scenario, actors: this.#actors, nodes: this.#nodes, workload: this.#workload },
      ...{ nemesis: this.#nemesis, pathNemesis: this.#pathNemesis, doings: this.#doings, mix: this.#mix },
    })
    await this.#runUntil(() => false, this.#virtualMs)
  }

  async #liveness(): Promise<void> {
    const { path, lastMtuBytes } = this.#scenario
    this.#isThorough = true
    this.#actors.stop(false)
    this.#pathNemesis.heal()
    const isNarrow = lastMtuBytes !== undefined
    const last = isNarrow ? { mtuBytes: lastMtuBytes, mtuSilent: true } : {}
    const down = this.#nemesis.heal({ ...path, ...last })
    // Waits for busy processes and for datagrams held up on their way: only then is the network whole.
    await this.#runUntil(() => false, Math.max(0, this.#nemesis.busyUntilMs - this.#network.now))
    for (const node of down) {
      await this.#runUntil(() => node.process.isOver, CLOSING_MS)
      await this.#network.until(node.restart())
    }
    for (const node of this.#nodes) for (const stream of node.process.incoming) stream.resume()
    this.#consumers.stop(true)
    this.#mix?.hurry()
    for (const node of this.#nodes) node.joinAnew()
    const gone = this.#gone
    const isWhole = this.#nodes.every(
      ({ process }) => [...process.peers].filter(({ unique }) => !gone.has(unique)).length === this.#nodes.length - 1,
    )
    const { protection, heartbeatMs, unreachableMs, leaveMs } = this.#scenario.options
    // With keys no hint tells a process that its peer has forgotten it: it finds out by silence, at the latest when it
    // considers the peer unreachable. Silence is also the only sign if it still has the state of an ended process, at
    // another address than the one from which the next process joined.
    const silenceMs = protection === undefined ? 0 : unreachableMs!
    // A peer considered unreachable is probed with the next heartbeat.
    const isAway = this.#nodes.some(({ process }) => [...process.peers].some(({ state }) => state === "unreachable"))
    const lostMs = NOTICE_HEARTBEATS * heartbeatMs!
    const noticeMs = isWhole ? (isAway ? heartbeatMs! : 0) : lostMs
    const { whereabouts, copiedMs } = this.#pathNemesis
    const mayBeElsewhere = whereabouts.mayBeLost(this.#network.now) || (isAway && whereabouts.hasMoved)
    const pathMs = pathAllowanceMs({
      isNarrow,
      elsewhereMs: mayBeElsewhere ? lostMs : undefined,
      isSuspected: copiedMs > -Infinity,
    })
    const forsakenMs = isHeldInVain(this.#processes, this.#pathNemesis.lost) ? unreachableMs! + leaveMs! : 0
    const wholeMs = this.#network.now
    await this.#converge(path, Math.max(silenceMs, noticeMs, forsakenMs) + pathMs, false)
    // And on each association messages get through in both directions.
    const said: StreamLedger[] = []
    for (const { process } of this.#nodes)
      for (const peer of process.peers)
        if (!this.#gone.has(peer.unique))
          said.push(this.#workload.say(process, peer, isNarrow ? LONG_BYTES : SHORT_BYTES))
    const narrowMs = pathAllowanceMs({ isNarrow, elsewhereMs: undefined, isSuspected: false })
    // Where nothing was left to be done, a node may still be elsewhere than others think.
    const movingMs = Math.max(0, wholeMs + pathMs - this.#network.now)
    if (!this.#hasFailed) await this.#converge(path, silenceMs + Math.max(narrowMs, movingMs), true)
    for (const ledger of said)
      this.#judge.check(
        ledger.missing === 0 || ledger.isCut,
        "convergence",
        () => `${ledger.name}: what was said last never came`,
      )
    checkPromises(this.#judge, this.#ledgers.values(), this.#gone)
    for (const { process } of this.#nodes) process.checkStructure()
    if (!this.#hasFailed) await this.#convergeMix()
  }

  /** Feeds have what was published, each request has its end, and both hold nothing beyond. */
  async #convergeMix(): Promise<void> {
    const mix = this.#mix
    if (mix === undefined) return
    mix.sayLast()
    const isDone = (): boolean => mix.missingOfTopics === undefined && mix.missingOfRequests === undefined
    await this.#runUntil(isDone, MIX_MS)
    // A subscriber that is over, and can't be met, is one until it has been silent for long enough; so is a publisher.
    if (this.#holdsGone) await this.#runUntil(isDone, this.#silenceMs)
    // A reader that was frozen has a window of messages to get, at half a queue per round trip.
    if (mix.missingOfTopics !== undefined) {
      const { path, options } = this.#scenario
      const { boundMs } = sendingBounds(mix.sending, path, options, this.#gone)
      await this.#runUntil(() => mix.missingOfTopics === undefined, boundMs)
    }
    const { missingOfTopics, missingOfRequests } = mix
    if (missingOfTopics !== undefined) this.#judge.fail("convergence", missingOfTopics)
    if (missingOfRequests !== undefined) this.#judge.fail("given-back", missingOfRequests)
    if (this.#hasFailed) return
    await this.#network.until(mix.end(), ENDING_MS)
  }

  async #converge(path: LinkOptions, noticeMs: number, isHeard: boolean): Promise<void> {
    const gone = this.#gone
    const bounds = convergenceBounds(this.#processes, path, this.#scenario.options, gone)
    const boundMs = bounds.boundMs + noticeMs
    const startMs = this.#network.now
    await this.#runUntil(() => isConverged(this.#processes, isHeard, gone), boundMs)
    const tookMs = this.#network.now - startMs
    this.#convergenceShare = Math.max(this.#convergenceShare, tookMs / boundMs)
    if (tookMs > bounds.strictMs) this.#isStrict = false
    if (isConverged(this.#processes, isHeard, gone)) return
    this.#judge.fail(
      "convergence",
      `not within ${Math.round(boundMs)} ms of ${startMs.toFixed(1)} ms, when the network was whole: ${unfinished(this.#processes)}`,
    )
  }

  async #ending(): Promise<void> {
    await this.#seeOff()
    checkCounters(this.#judge, this.#network, this.#nodes, this.#scenario)
    const processes = this.#processes
    await this.#network.until(Promise.all(processes.map(({ endpoint }) => endpoint.close())), ENDING_MS)
    await this.#settle()
    for (const process of [...this.#nodes.flatMap(({ closed }) => closed), ...processes]) {
      process.checkOver()
      this.#mix?.checkOver(process)
    }
    for (const { name, endpoint } of processes) {
      const { peers, slots: _slots, ...rest } = insideOf(endpoint).sizes
      const left = Object.entries({ peers, ...rest }).filter(([, value]) => value !== 0)
      this.#judge.check(
        left.length === 0,
        "nothing-left",
        () => `${name}: ${left.map(([what, value]) => `${what} ${value}`).join(", ")}`,
      )
    }
  }

  /** What guests held is given back once they are gone; others hold nothing now that all has converged. */
  async #seeOff(): Promise<void> {
    if (this.#guests.count === 0) return
    this.#guests.end()
    const processes = this.#processes
    const isAlone = (): boolean => processes.every(({ guests }) => guests.size === 0) && !this.#holdsGone
    // Behind much else on a slow path, what they sent before may come for longer than the longest silence. So may what
    // an incarnation sent that is over, and can't be met.
    const heard = new Map<Peer, number>()
    while (this.#hearMore(heard)) await this.#runUntil(isAlone, this.#silenceMs)
    await this.#runUntil(isAlone, GONE_MS)
    // Half a message that nobody promised is given up only after a while.
    await this.#runUntil(() => processes.every(({ hasGivenBack }) => hasGivenBack), GIVEN_UP_MS)
    for (const process of processes) process.checkGivenBack()
  }

  /** Whether more has come from those who are over, and are held, than `heard` says, which is brought up to date. */
  #hearMore(heard: Map<Peer, number>): boolean {
    let isMore = false
    const gone = this.#gone
    for (const { guests, peers } of this.#processes)
      for (const peer of [...guests, ...[...peers].filter(({ unique }) => gone.has(unique))]) {
        const { datagramsReceived } = peer.stats()
        isMore ||= datagramsReceived > (heard.get(peer) ?? -1)
        heard.set(peer, datagramsReceived)
      }
    return isMore && !this.#hasFailed
  }

  /**
   * Lets time pass until a condition holds, or this much time has passed, or something is wrong; checks what changed
   * after each step.
   */
  async #runUntil(isDone: () => boolean, withinMs: number): Promise<void> {
    const untilMs = this.#network.now + withinMs
    // An event at the end, so that time reaches it.
    const end = this.#director.wakeUp(() => {})
    end.at(this.#director.now() + withinMs)
    await this.#network.when(() => {
      this.#checkStep()
      return this.#hasFailed || this.#network.now >= untilMs || isDone()
    }, withinMs + 1)
    end.at(Infinity)
  }

  #checkStep(): void {
    if (this.#touched.size === 0) return
    for (const process of this.#touched) process.check()
    this.#touched.clear()
  }

  /**
   * Lets promises run. A turn of the event loop runs all of them, but costs more than everything else in a step. While
   * faults go on, a fixed number of microtasks does as well.
   */
  async #settle(): Promise<void> {
    if (this.#isThorough) await new Promise((resolve) => setImmediate(resolve))
    else for (let i = 0; i < MICROTASKS; i++) await SETTLED
  }

  /** The process that each node runs now. */
  get #processes(): Process[] {
    return this.#nodes.map(({ process }) => process)
  }

  /** Incarnations that are over, and that others can't meet where they know them. */
  get #gone(): ReadonlySet<string> {
    const gone = new Set(this.#pathNemesis.lost)
    for (const { unique } of this.#processes) gone.delete(unique)
    return gone
  }

  /** Whether a process still knows one of these. */
  get #holdsGone(): boolean {
    const gone = this.#gone
    return this.#processes.some(({ peers }) => [...peers].some(({ unique }) => gone.has(unique)))
  }

  /** A peer that has been silent for so long has left. */
  get #silenceMs(): number {
    const { unreachableMs, leaveMs } = this.#scenario.options
    return unreachableMs! + leaveMs!
  }

  get #hasFailed(): boolean {
    return this.#judge.failure !== undefined
  }

  #result(): SimulationResult {
    const { seed, nodes } = this.#scenario
    let messages = 0
    let delivered = 0
    for (const ledger of this.#ledgers.values()) {
      messages += ledger.accepted
      delivered += ledger.delivered
    }
    return {
      seed,
      nodes,
      failure: this.#judge.failure,
      traceHash: this.#network.traceHash,
      virtualMs: this.#network.now,
      datagrams: this.#nodes
        .flatMap((a) => this.#nodes.map((b) => (a === b ? 0 : this.#network.linkOf(a.name, b.name).sent)))
        .reduce((x, y) => x + y, 0),
      messages,
      delivered,
      checks: this.#judge.checks,
      disasters: this.#nemesis.counts,
      pathFaults: this.#pathNemesis.counts,
      doings: this.#doings.counts,
      mixFaults: this.#mix?.counts ?? {},
      guests: this.#scenario.guests,
      convergenceShare: this.#convergenceShare,
      isStrict: this.#isStrict,
      record: [...this.#notes.slice(-40), ...this.#network.record],
    }
  }
}
