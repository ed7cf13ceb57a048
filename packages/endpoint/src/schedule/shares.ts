/**
 * A limited resource of all peers, in shares, so that no share depends on what becomes of another. Each peer has a
 * floor, whatever the others hold. The rest is lent: the less is free, the less is lent. Units that were written to or
 * promised can't be taken back from a peer without progress: so they are not handed out in the first place. What is lent
 * counts for all shares of one identity together: more sessions don't bring more.
 *
 * @module
 */

import { ZERO } from "@x/wire"

/** A share that never gave anything back is lent at least this many units. */
const TRUST_UNITS = 64
/** A stream leaves the others of its peer a quarter of what it holds. */
const STREAM_LEAVES_SHIFT = 2
/** A peer keeps an eighth of what it holds, and no more than this, for messages under way at its receiver. */
const KEPT_SHIFT = 3
const KEPT_UNITS_MAX = 16
/** A little more than the natural logarithm of 2. */
const LN_2 = 0.6932

export interface SharesOptions {
  /** Units in all; this many of them are for floors, and the rest is lent. */
  readonly unitsMax: number
  readonly floorUnits: number
  /** The most shares that hold something at a time. */
  readonly sharesMax: number
  /** The most units of one floor, of the loan of one share, and of one share altogether. */
  readonly floorMax: number
  readonly loanMax: number
  readonly shareMax: number
  /**
   * How much is lent to one share. `all`: everything that is free. `square`: at most twice what is free then, times the
   * part that is free. `earned`: the same, and beyond twice what it held when it last gave something back only a part
   * of it.
   */
  readonly lending: "all" | "square" | "earned"
  /** With `earned`, a share that never gave anything back is lent one part in this many of what others are lent. */
  readonly trustPart?: number
  /** Units belong together, those of one message for instance, and are given back together. */
  readonly isInLots?: boolean
}

/** What is lent to the shares of one identity, together. */
export class LentTogether {
  /** Units; kept by the shares. */
  units = 0
}

export class Shares {
  readonly options: SharesOptions
  /**
   * Units held, and those of them that are lent; how many shares hold something, and the floor of each. Kept by the
   * shares.
   */
  used = 0
  lent = 0
  holders = 0
  floor = 0
  /** Units given back so far. */
  given: number = ZERO
  readonly unitsMax: number
  readonly #loanUnits: number
  readonly #firstFloor: number
  readonly #isFree: boolean
  readonly #isInLots: boolean
  readonly #trustPart: number

  constructor(options: SharesOptions) {
    this.options = options
    this.unitsMax = options.unitsMax
    this.#loanUnits = options.unitsMax - options.floorUnits
    // The sum 1/1 + 1/2 + 1/3 … is at most this for the most shares allowed; and each gets at least one unit.
    const harmonic = 1 + LN_2 * (32 - Math.clz32(options.sharesMax))
    this.#firstFloor = (options.floorUnits - Math.min(options.sharesMax, options.floorUnits / 2)) / harmonic
    this.#isFree = options.lending === "all"
    this.#isInLots = options.isInLots ?? false
    this.#trustPart = options.trustPart ?? 1
  }

  /** `together`: what is lent to its identity; default: it is alone. */
  share(together: LentTogether = new LentTogether()): Share {
    return new Share(this, together)
  }

  /**
   * The floor when this many shares hold something. With n holders it is one n-th of the floor of a single holder. So
   * there is a floor for each, though earlier ones were larger and may be held for ever: at most n holders took an n-th
   * part or more, those that existed when the last of them took it; and all parts add up to what is reserved for
   * floors.
   */
  floorFor(holders: number): number {
    return Math.min(this.options.floorMax, Math.max(1, Math.floor(this.#firstFloor / holders)))
  }

  /**
   * Whether a share may be lent so many units that it has `units` in all: `more` than now, and its identity has
   * `together`.
   */
  mayLend(units: number, together: number, more: number, isTrusted: boolean, freed: number): boolean {
    const lentInAll = freed === 0 ? this.lent : Math.max(0, this.lent - freed)
    const free = this.#loanUnits - lentInAll - more
    if (free < 0) return false
    // A message as large as the whole loan has to fit once.
    if (this.#isFree || (this.#isInLots && lentInAll === 0)) return true
    const most = (2 * free * free) / this.#loanUnits
    return together <= most && (isTrusted || units * this.#trustPart <= most || units <= TRUST_UNITS)
  }

  assertInvariants(): void {
    if (!(0 <= this.lent && this.lent <= this.used && this.used <= this.unitsMax))
      throw new Error(`${this.used} units of ${this.unitsMax} are held, ${this.lent} of them lent`)
    // Otherwise floors are lent.
    if (this.lent > this.#loanUnits) throw new Error(`${this.lent} units of ${this.#loanUnits} are lent`)
    if (this.holders < 0 || this.holders > this.used) throw new Error(`${this.holders} hold ${this.used} units`)
  }
}

/** The share of one peer. */
export class Share {
  readonly #shares: Shares
  readonly #together: LentTogether
  readonly #shareMax: number
  readonly #loanMax: number
  readonly #isEarned: boolean
  readonly #isInLots: boolean
  #used = 0
  #lent = 0
  #earned = ZERO
  #given = ZERO

  constructor(shares: Shares, together: LentTogether) {
    const { shareMax, loanMax, lending, isInLots = false } = shares.options
    this.#shares = shares
    this.#together = together
    this.#shareMax = shareMax
    this.#loanMax = loanMax
    this.#isEarned = lending === "earned"
    this.#isInLots = isInLots
  }

  get used(): number {
    return this.#used
  }

  /** Units given back so far. */
  get given(): number {
    return this.#given
  }

  /** Takes this many units, or none; `left`: only if it could then take this many more. */
  take(units: number, left = 0): boolean {
    const shares = this.#shares
    const own = this.#floor() - (this.#used - this.#lent)
    if (this.#used + units + left > this.#shareMax || shares.used + units + left > shares.unitsMax) return false
    if (units + left > own) {
      if (!this.#mayBorrow(this.#borrowed(units + left, own), units + left, 0)) return false
      const lent = this.#borrowed(units, own)
      this.#lent += lent
      this.#together.units += lent
      shares.lent += lent
    }
    if (this.#used === 0) shares.floor = shares.floorFor(++shares.holders)
    this.#used += units
    shares.used += units
    return true
  }

  give(units: number): void {
    const shares = this.#shares
    if (2 * this.#used > this.#earned) this.#earned = 2 * this.#used
    // A lot that fits the floor was most likely taken from it.
    if (this.#lent > 0 && !(this.#isInLots && units <= this.#used - this.#lent)) {
      const repaid = Math.min(units, this.#lent)
      this.#lent -= repaid
      this.#together.units -= repaid
      shares.lent -= repaid
    }
    this.#used -= units
    this.#given += units
    shares.given += units
    shares.used -= units
    if (this.#used > 0) return
    shares.floor = shares.floorFor(Math.max(1, --shares.holders))
    this.#earned /= 2
  }

  /**
   * Whether it could take this many units, those of a lot at once and others one by one: now, or once others have given
   * back `freed` units of their loans.
   */
  fits(units: number, freed = 0): boolean {
    const shares = this.#shares
    if (this.#used + units > this.#shareMax || shares.used + units - freed > shares.unitsMax) return false
    const own = this.#floor() - (this.#used - this.#lent)
    return units <= own || this.#mayBorrow(this.#borrowed(units, own), units, freed)
  }

  /** Whether it couldn't have this many more units whatever others give back. */
  isFull(units: number): boolean {
    const { floorMax } = this.#shares.options
    return (
      this.#used + units > this.#shareMax ||
      (this.#lent + units > this.#loanMax && this.#used - this.#lent + units > floorMax)
    )
  }

  /** Units that it could take one by one. */
  get room(): number {
    return roomOf(this, this.#shareMax - this.#used, 1)
  }

  /** Nothing is left to others here, so it doesn't matter how many are taken at a time. */
  fitsBy(_each: number, units: number): boolean {
    return this.fits(units)
  }

  #floor(): number {
    return this.#used === 0 ? this.#shares.floorFor(this.#shares.holders + 1) : this.#shares.floor
  }

  /** How many of these units are lent: a lot is lent as a whole. */
  #borrowed(units: number, own: number): number {
    return units <= own ? 0 : this.#isInLots ? units : units - Math.max(0, own)
  }

  #mayBorrow(lent: number, units: number, freed: number): boolean {
    const [had, together] = [this.#lent, this.#together.units]
    if (had + lent > this.#loanMax) return false
    const isTrusted = !this.#isEarned || this.#used + units <= this.#earned
    return this.#shares.mayLend(had + lent, together + lent, lent, isTrusted, freed)
  }
}

/**
 * The part of its peer's share that one stream takes: it leaves units for the others, and for messages that its peer's
 * receiver already has memory for. With only one unit reserved for those, a large message would advance by one packet
 * in a round trip wherever others fill the share.
 */
export class StreamShare {
  readonly #share: Share
  readonly #packetsMax: number
  #used = 0

  /** `packetsMax`: the most that it is asked for, whatever units a packet takes. */
  constructor(share: Share, packetsMax: number) {
    this.#share = share
    this.#packetsMax = packetsMax
  }

  take(units: number): boolean {
    if (!this.#share.take(units, this.#left(units, units))) return false
    this.#used += units
    return true
  }

  /** Like `take`, for messages under way of a stream that waits for room. */
  takeKept(units: number): boolean {
    if (!this.#share.take(units)) return false
    this.#used += units
    return true
  }

  get hasKept(): boolean {
    return this.#share.fits(1)
  }

  hasKeptFor(units: number): boolean {
    return this.#share.fits(units)
  }

  give(units: number): void {
    this.#used -= units
    this.#share.give(units)
  }

  fits(units: number): boolean {
    return this.fitsBy(1, units)
  }

  /** Whether it could take so many units, those of one packet, `each`, at a time. */
  fitsBy(each: number, units: number): boolean {
    return this.#share.fits(units + this.#left(units, each))
  }

  /** Whether it couldn't have one more packet of so many units whatever others give back. */
  isFull(units: number): boolean {
    return this.#share.isFull(units + this.#left(units, units))
  }

  /** Units that it could take one by one. */
  get room(): number {
    return this.roomFor(1)
  }

  /** Packets of so many units that it could take one by one. */
  roomFor(each: number): number {
    return roomOf(this, this.#packetsMax, each)
  }

  /** What is left to others counts in packets of the size that is asked for. */
  #left(units: number, each: number): number {
    const used = this.#used + units
    const kept = Math.max(each, Math.min(KEPT_UNITS_MAX * each, (this.#share.used + units) >>> KEPT_SHIFT))
    if (used > each) return Math.max(kept, used >>> STREAM_LEAVES_SHIFT)
    // A stream that has none gets one of the reserved units, while there are more; and a peer with one packet has
    // nothing else to reserve it for.
    return this.#share.used > 0 ? each : 0
  }
}

/** As many packets of so many units as fit, at most `most`. */
function roomOf(share: { fitsBy(each: number, units: number): boolean }, most: number, each: number): number {
  if (most < 1 || !share.fitsBy(each, each)) return 0
  if (share.fitsBy(each, most * each)) return most
  let [fitting, above] = [1, most]
  while (above - fitting > 1) {
    const middle = (fitting + above) >>> 1
    if (share.fitsBy(each, middle * each)) fitting = middle
    else above = middle
  }
  return fitting
}
