/** What all peers share of what there is only so much of, and how often there was none to have. */

import type { Settings } from "../settings.ts"
import { type Share, Shares } from "./shares.ts"

/** The part of each pool that is for floors. */
const FLOORS = 1 / 4
/** Streams are not held by who makes no progress only: those that are for floors are kept from all others. */
const STREAM_FLOORS = 1 / 8
/**
 * A peer's floor for messages under way is no more than this part of what large ones may take: it comes on top of that,
 * for small ones beside them.
 */
const ASSEMBLY_FLOOR = 1 / 8

/**
 * What a peer is lent on trust, one part in so many. Whoever fills its window was answered before, as it grew; but a
 * path that becomes narrower loses the first packet of its life with a whole queue behind it, and what isn't kept then
 * crosses the narrow place twice.
 */
const SENT_TRUST = 16
const EARLY_TRUST = 4

export class Quota {
  /** Slots for early packets, and for sent ones. */
  readonly early: Shares
  readonly sent: Shares
  /** Bytes of messages under way. */
  readonly assembly: Shares
  readonly streams: Shares
  /**
   * How often a peer had all that one can have of early slots, and of those for sent packets; and all streams that it
   * could have.
   */
  poolShares = 0
  sendPoolShares = 0
  streamsRefused = 0
  /** And how often it could have had more, had others less. */
  poolLoans = 0
  sendPoolLoans = 0

  constructor(settings: Settings) {
    const { peersMax, messageBytesMax, assemblyBytesMax, assemblyBytesPerPeer, streamsTotalMax } = settings
    this.early = slots(settings.poolPacketsMax, settings.poolPacketsPerPeer, peersMax, EARLY_TRUST)
    this.sent = slots(settings.sendPoolPacketsMax, settings.sendPoolPacketsPerPeer, peersMax, SENT_TRUST)
    const floorMax = Math.floor(assemblyBytesPerPeer * ASSEMBLY_FLOOR)
    this.assembly = new Shares({
      unitsMax: assemblyBytesMax,
      // The largest message fits what is lent.
      floorUnits: Math.min(Math.floor(assemblyBytesMax * FLOORS), assemblyBytesMax - messageBytesMax),
      sharesMax: peersMax,
      floorMax,
      loanMax: assemblyBytesPerPeer,
      shareMax: assemblyBytesPerPeer + floorMax,
      lending: "square",
      isInLots: true,
    })
    this.streams = new Shares({
      unitsMax: streamsTotalMax,
      floorUnits: Math.floor(streamsTotalMax * STREAM_FLOORS),
      sharesMax: peersMax,
      floorMax: streamsTotalMax,
      loanMax: streamsTotalMax,
      shareMax: streamsTotalMax,
      lending: "all",
    })
  }

  takeStream(share: Share): boolean {
    if (share.take(1)) return true
    this.streamsRefused++
    return false
  }

  hasStream(share: Share): boolean {
    return share.fits(1)
  }

  assertInvariants(): void {
    for (const shares of [this.early, this.sent, this.assembly, this.streams]) shares.assertInvariants()
  }
}

function slots(slotsMax: number, slotsPerPeer: number, peersMax: number, trustPart: number): Shares {
  const shareMax = Math.min(slotsMax, slotsPerPeer)
  return new Shares({
    ...{ unitsMax: slotsMax, floorUnits: Math.floor(slotsMax * FLOORS), sharesMax: peersMax },
    ...{ floorMax: shareMax, loanMax: shareMax, shareMax, lending: "earned", trustPart },
  })
}
