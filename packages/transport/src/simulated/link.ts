/**
 * One direction between two machines: what it does to a datagram.
 *
 * @module
 */

import { ECN } from "../transport.ts"
import { Bottleneck, limits, type Refusal } from "./bottleneck.ts"
import { type LinkOptions, MTU_BYTES } from "./link-options.ts"
import { Loss, type LossFate } from "./loss.ts"
import { Passage } from "./passage.ts"
import type { Random } from "./random.ts"
import type { Arrival } from "./virtual-time.ts"

const REORDER_DELAY_MS = 10
const REPLAY_DELAY_MS = 120_000

/**
 * The fate of a datagram that was handed to a link: `delivered` (it got through, or is on its way), lost by chance
 * (`lost`), in a burst (`burst`) or by the list (`listed`), no room in the queue (`queue`), dropped by a policer
 * (`policed`) or an AQM (`aqm`), too long (`mtu`), marked where marks don't get through (`marked`), cut off
 * (`partition`), or refused by the filter (`filtered`).
 */
export type Fate = "delivered" | LossFate | Refusal | "mtu" | "marked" | "partition" | "filtered"

/** What a link needs of its network. */
export interface LinkSurroundings {
  readonly seed: number
  readonly time: {
    readonly nowMs: number
    set(event: Arrival, atMs: number): void
  }
  /** The shared bottleneck of this name. */
  bottleneckNamed(name: string): Bottleneck
  /** A datagram that waited is dropped. */
  dropped(link: Link, passage: Passage): void
}

/** One direction between two machines, with its counts. */
export class Link {
  /** The name of the machine at its beginning. */
  readonly from: string
  /** The name of the machine at its end. */
  readonly to: string
  /** Datagrams handed to this direction so far. */
  sent = 0
  /**
   * Datagrams so far, by their fate: together as many as `sent`. One that CoDel drops at its turn counts as delivered
   * until then.
   */
  readonly counts: Record<Fate, number> = {
    delivered: 0,
    lost: 0,
    burst: 0,
    listed: 0,
    queue: 0,
    policed: 0,
    aqm: 0,
    mtu: 0,
    marked: 0,
    partition: 0,
    filtered: 0,
  }
  /** Nothing gets through, as after `network.partition`. */
  blocked = false
  readonly #surroundings: LinkSurroundings
  /** A generator of its own, so that one more datagram on a link changes nothing on another. */
  readonly #random: Random
  readonly #loss: Loss
  #options: LinkOptions
  /** Its own bottleneck, once it had one. */
  #own: Bottleneck | undefined
  /** The bottleneck that datagrams go through. */
  #bottleneck: Bottleneck | undefined
  /** The passage of a datagram without a bottleneck. */
  readonly #direct = new Passage()
  #lastArrivalMs = 0
  #cloggedUntilMs = 0

  /** @internal Made by `network.linkOf(from, to)`. */
  constructor(from: string, to: string, options: LinkOptions, random: Random, surroundings: LinkSurroundings) {
    this.from = from
    this.to = to
    this.#random = random
    this.#loss = new Loss(random)
    this.#surroundings = surroundings
    this.#options = options
    this.#choose(options)
  }

  /** Its options. */
  get options(): LinkOptions {
    return this.#options
  }

  /** @internal Another object replaces them from now on. */
  set options(options: LinkOptions) {
    this.#choose(options)
    this.#options = options
  }

  /**
   * Where its datagrams wait: a bottleneck of its own or, with `through`, a shared one. `undefined`: it has neither rate
   * nor policer.
   */
  get bottleneck(): Bottleneck | undefined {
    return this.#bottleneck
  }

  #choose(options: LinkOptions): void {
    const { seed, time } = this.#surroundings
    const { through } = options
    const shared = through === undefined ? undefined : this.#surroundings.bottleneckNamed(through)
    // What still waits in its own one goes on as the new options say.
    if (this.#own !== undefined) this.#own.options = options
    else if (shared === undefined && limits(options))
      this.#own = new Bottleneck(options, time, seed, `rate of ${this.from}>${this.to}`)
    this.#bottleneck = shared ?? (limits(options) ? this.#own : undefined)
  }

  /**
   * @internal Takes the datagram with this number and mark, or tells why not. What is taken, even if it will be lost behind the
   * bottleneck, has a passage, which `settle` has to follow.
   */
  admit(index: number, bytes: number, mark: number): Passage | Exclude<Fate, "delivered" | "filtered"> {
    const { mtuBytes = MTU_BYTES, lossPlace, ecn: treats } = this.#options
    if (this.blocked) return "partition"
    if (bytes > mtuBytes) return "mtu"
    if (mark !== ECN.notEct && treats === "drop") return "marked"
    const ecn = treats === "bleach" || mark === ECN.notEct ? ECN.notEct : treats === "congest" ? ECN.ce : mark
    const bottleneck = this.#bottleneck
    if (bottleneck === undefined) {
      const fate = this.#loss.fateOf(index, this.#options)
      return fate === "delivered" ? this.#direct.begin(this, bytes, ecn, this.#surroundings.time.nowMs) : fate
    }
    if (lossPlace !== "behind") {
      const fate = this.#loss.fateOf(index, this.#options)
      return fate === "delivered" ? bottleneck.enter(this, bytes, ecn) : fate
    }
    const passage = bottleneck.enter(this, bytes, ecn)
    if (typeof passage === "object") passage.fate = this.#loss.fateOf(index, this.#options)
    return passage
  }

  /** @internal Draws when the datagram of this passage arrives, counted from when it leaves the bottleneck. */
  draw(passage: Passage): void {
    const { delayMs = 0, jitterMs = 0, reorderRate = 0 } = this.#options
    passage.delayMs = delayMs
    passage.jitterMs = jitterMs > 0 ? this.#random.fraction() * jitterMs : 0
    passage.cloggedUntilMs = this.#cloggedUntilMs
    passage.isHeldBack = this.#random.chance(reorderRate)
    passage.heldBackMs = passage.isHeldBack ? this.lagMs() : 0
  }

  /** @internal Sets when what has been drawn and loaded arrives. */
  settle(passage: Passage): void {
    const bottleneck = this.#bottleneck
    if (bottleneck === undefined) this.goOn(passage)
    else bottleneck.settle(passage)
  }

  /** @internal */
  goOn(passage: Passage): void {
    passage.previousArrivalMs = this.#lastArrivalMs
    const { datagram, duplicate, replay, leavesMs, delayMs, jitterMs, cloggedUntilMs } = passage
    if (datagram === undefined) return
    datagram.ecn = passage.ecn
    let arrivesMs = Math.max(this.#lastArrivalMs, cloggedUntilMs, leavesMs + delayMs + jitterMs)
    if (passage.isHeldBack) arrivesMs += passage.heldBackMs
    else this.#lastArrivalMs = arrivesMs
    const { time } = this.#surroundings
    if (duplicate !== undefined) {
      duplicate.ecn = passage.ecn
      time.set(duplicate, arrivesMs + passage.duplicateLagMs)
    }
    if (replay !== undefined) {
      replay.ecn = passage.ecn
      time.set(replay, arrivesMs + passage.replayLagMs)
    }
    time.set(datagram, arrivesMs)
  }

  /** @internal */
  rewind(passage: Passage): void {
    this.#lastArrivalMs = passage.previousArrivalMs
  }

  /** @internal */
  drop(passage: Passage): void {
    this.counts[passage.fate]--
    this.counts.aqm++
    this.#surroundings.dropped(this, passage)
  }

  /** @internal Nothing admitted from now on arrives before `untilMs`. */
  clog(untilMs: number): void {
    this.#cloggedUntilMs = Math.max(this.#cloggedUntilMs, untilMs)
  }

  /** @internal How much later an old copy arrives; `undefined`: there is none. */
  replayLagMs(): number | undefined {
    const { replayRate = 0, replayDelayMs = REPLAY_DELAY_MS } = this.#options
    return this.#random.chance(replayRate) ? this.#random.fraction() * replayDelayMs : undefined
  }

  /** @internal How much later a datagram that is held back, or a copy, arrives. */
  lagMs(): number {
    return this.#random.fraction() * (this.#options.reorderDelayMs ?? REORDER_DELAY_MS)
  }

  /** @internal */
  duplicates(): boolean {
    return this.#random.chance(this.#options.duplicateRate ?? 0)
  }

  /** @internal Flips one to three different bits of a datagram, if it is one to be corrupted. */
  corrupt(bytes: Uint8Array): void {
    if (bytes.length === 0 || !this.#random.chance(this.#options.corruptRate ?? 0)) return
    const bits = new Set<number>()
    for (let flips = 1 + this.#random.below(3); flips > 0; flips--) bits.add(this.#random.below(8 * bytes.length))
    for (const bit of bits) bytes[bit >>> 3]! ^= 1 << (bit & 7)
  }
}
