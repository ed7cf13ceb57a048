/** The shares of all peers in limited resources, and how often there was nothing left. */

import type { Settings } from "../settings.ts"
import { type Share, Shares } from "./shares.ts"

/** The part of each pool that is reserved for floors. */
const FLOORS = 1 / 4
/**
 * The same for streams, where it is smaller: peers that make progress hold streams too, and those reserved for floors
 * are out of reach for them.
 */
const STREAM_FLOORS = 1 / 8
/**
 * A peer's floor for messages under way is at most this part of what large ones may take: it comes on top, for small
 * messages beside them.
 */
const ASSEMBLY_FLOOR = 1 / 8

/**
 * A peer is lent this part on trust: one in this many. A peer that fills its window has been answered as the window
 * grew. But a path that becomes narrower loses its first packet with a whole queue after it, and packets that aren't
 * kept then cross the narrow place twice.
 */
const SENT_TRUST = 16
const EARLY_TRUST = 4

/**
 * Ranges of missing and of gone packets that the streams of a peer may have in all, beyond the few that come with each:
 * they are also what a datagram can make us look at. And those of all peers together; each takes some 200 bytes.
 */
const ROWS_PER_PEER = 8_192
const ROWS_TOTAL = 262_144
export const ROW_BYTES = 200

export class Quota {
  /** Slots for early packets, and for sent ones. */
  readonly early: Shares
  readonly sent: Shares
  /** Bytes of messages under way. */
  readonly assembly: Shares
  readonly streams: Shares
  /** Rows of lists of missing and of gone packets. */
  readonly rows: Shares
  /** How often a peer had the most allowed of slots for early packets, of slots for sent packets, and of streams. */
  poolShares = 0
  sendPoolShares = 0
  streamsRefused = 0
  /** And how often it could have had more if others had held less. */
  poolLoans = 0
  sendPoolLoans = 0

  constructor(settings: Settings) {
    const { peersMax, messageBytesMax, assemblyBytesMax, assemblyBytesPerPeer, streamsTotalMax } = settings
    this.early = slots(settings.poolPacketsMax, settings.poolPacketsPerPeer, peersMax, EARLY_TRUST)
    this.sent = slots(settings.sendPoolPacketsMax, settings.sendPoolPacketsPerPeer, peersMax, SENT_TRUST)
    const floorMax = Math.floor(assemblyBytesPerPeer * ASSEMBLY_FLOOR)
    this.assembly = new Shares({
      unitsMax: assemblyBytesMax,
      // The largest message fits into the loan.
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
    this.rows = new Shares({
      ...{ unitsMax: ROWS_TOTAL, floorUnits: ROWS_TOTAL * FLOORS, sharesMax: peersMax, lending: "square" },
      ...{ floorMax: ROWS_PER_PEER, loanMax: ROWS_PER_PEER, shareMax: ROWS_PER_PEER },
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
    for (const shares of [this.early, this.sent, this.assembly, this.streams, this.rows]) shares.assertInvariants()
  }
}

function slots(slotsMax: number, slotsPerPeer: number, peersMax: number, trustPart: number): Shares {
  const shareMax = Math.min(slotsMax, slotsPerPeer)
  return new Shares({
    ...{ unitsMax: slotsMax, floorUnits: Math.floor(slotsMax * FLOORS), sharesMax: peersMax },
    ...{ floorMax: shareMax, loanMax: shareMax, shareMax, lending: "earned", trustPart },
  })
}
