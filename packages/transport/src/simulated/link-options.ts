import { FLAG, type Kind, type Kinds, oneOf, orInfinity, whole } from "../check.ts"
import { BOTTLENECK_OPTIONS, type BottleneckOptions } from "./bottleneck.ts"
import { DURATION, PROBABILITY } from "./check.ts"
import { LOSS_OPTIONS, type LossOptions } from "./loss.ts"

/** Everything is off by default: a perfect link of Ethernet. Rates are probabilities from 0 to 1. */
export interface LinkOptions extends LossOptions, BottleneckOptions {
  /** One-way delay, milliseconds, default 0. */
  readonly delayMs?: number
  /** Up to this many milliseconds more, uniformly drawn; order is kept. Default 0. */
  readonly jitterMs?: number
  /** Share of the datagrams that arrive a second time, as late as a reordered one. */
  readonly duplicateRate?: number
  /** Share of the datagrams held back by up to `reorderDelayMs`, so that later ones overtake them. */
  readonly reorderRate?: number
  /** The longest that a datagram is held back, milliseconds, default 10. */
  readonly reorderDelayMs?: number
  /** Share of the datagrams in which one to three bits are flipped. */
  readonly corruptRate?: number
  /** Share of the datagrams of which an old copy arrives again, up to `replayDelayMs` later. */
  readonly replayRate?: number
  /**
   * The greatest age of such a copy, milliseconds. Default 120,000: twice the lifetime of a datagram in the Internet
   * according to RFC 8085, section 3.3.
   */
  readonly replayDelayMs?: number
  /**
   * The longest UDP payload that fits. Longer ones fail at the sender with EMSGSIZE, or with `mtuSilent` are lost on
   * the way. Default 1,472: Ethernet's 1,500 less the headers of IPv4 and UDP. `Infinity`: no limit.
   */
  readonly mtuBytes?: number
  /** Datagrams longer than `mtuBytes` are lost on the way, without an error at the sender. Default `false`. */
  readonly mtuSilent?: boolean
  /**
   * What it does to the marks of datagrams (ECN) before they come to its queue: `"bleach"` takes them off, so that all
   * are Not-ECT; `"congest"` turns all that are ECN-capable into CE, as if each were marked; `"drop"` loses all that are
   * ECN-capable (`counts.marked`). Default `"keep"`.
   */
  readonly ecn?: "keep" | "bleach" | "congest" | "drop"
  /**
   * The name of a bottleneck that `network.bottleneck` made. Datagrams go through that one, together with those of the
   * other links that name it; rate, schedule, queue, aggregation, AQM and policer of this link don't matter then.
   */
  readonly through?: string
}

/** The longest payload where no other is asked for. */
export const MTU_BYTES = 1_472
const NO_LIMIT = "no limit"

/** Names of bottlenecks. */
export const BOTTLENECK_NAME: Kind<string> = {
  takes: "the name of a bottleneck: not empty",
  has: (value): value is string => typeof value === "string" && value !== "",
}

export const LINK_OPTIONS: Kinds<LinkOptions> = {
  delayMs: DURATION,
  jitterMs: DURATION,
  duplicateRate: PROBABILITY,
  reorderRate: PROBABILITY,
  reorderDelayMs: DURATION,
  corruptRate: PROBABILITY,
  replayRate: PROBABILITY,
  replayDelayMs: DURATION,
  mtuBytes: orInfinity(whole(0), NO_LIMIT),
  mtuSilent: FLAG,
  ecn: oneOf<NonNullable<LinkOptions["ecn"]>>("keep", "bleach", "congest", "drop"),
  through: BOTTLENECK_NAME,
  ...LOSS_OPTIONS,
  ...BOTTLENECK_OPTIONS,
}
