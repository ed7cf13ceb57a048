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

/**
 * Bytes of tables of packets and of datagrams that were sent, for each packet that may be unacknowledged: a row of its
 * stream and one of its association, up to four times as many as there are packets since tables double and feedback is
 * late, and as much again: no honest peer is to find less of them than of slots for packets.
 */
const TABLE_BYTES_PER_PACKET = 1_024
const TABLE_BYTES_MIN = 1_048_576
/** Bytes of labels for each stream that there may be: most have short ones. And bytes of all, where there are few. */
const LABEL_BYTES_PER_STREAM = 64
const LABEL_BYTES_MIN = 65_536

/** Bytes of all messages under way: beside one of the largest size there is room for small ones. */
export function assemblyBytesOf({ assemblyBytesMax, messageBytesMax }: Settings): number {
  return Math.max(assemblyBytesMax, messageBytesMax + Math.floor(messageBytesMax * ASSEMBLY_FLOOR))
}

export class Quota {
  /** Slots for early packets, and for sent ones. */
  readonly early: Shares
  readonly sent: Shares
  /** Bytes of messages under way. */
  readonly assembly: Shares
  readonly streams: Shares
  /** Rows of lists of missing and of gone packets. */
  readonly rows: Shares
  /** Bytes of tables of what was sent, and of labels of streams from peers. */
  readonly tables: Shares
  readonly labels: Shares
  /** How often a peer had the most allowed of slots for early packets, of slots for sent packets, and of streams. */
  poolShares = 0
  sendPoolShares = 0
  streamsRefused = 0
  /** And how often it could have had more if others had held less. */
  poolLoans = 0
  sendPoolLoans = 0

  constructor(settings: Settings) {
    const { peersMax, messageBytesMax, assemblyBytesPerPeer, streamsTotalMax } = settings
    const assemblyBytesMax = assemblyBytesOf(settings)
    this.early = slots(settings.poolPacketsMax, settings.poolPacketsPerPeer, peersMax, EARLY_TRUST)
    // The logs of messages for several streams have one, too.
    this.sent = slots(settings.sendPoolPacketsMax, settings.sendPoolPacketsPerPeer, peersMax + 1, SENT_TRUST)
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
      ...{ unitsMax: ROWS_TOTAL, floorUnits: Math.floor(ROWS_TOTAL * FLOORS), sharesMax: peersMax, lending: "square" },
      ...{ floorMax: ROWS_PER_PEER, loanMax: ROWS_PER_PEER, shareMax: ROWS_PER_PEER },
    })
    const { sendPoolPacketsMax, sendPoolPacketsPerPeer, streamsMax } = settings
    const tableBytes = (packets: number): number => Math.max(TABLE_BYTES_MIN, packets * TABLE_BYTES_PER_PACKET)
    const tablesPerPeer = tableBytes(Math.min(sendPoolPacketsMax, sendPoolPacketsPerPeer))
    this.tables = bytes(tableBytes(sendPoolPacketsMax), tablesPerPeer, peersMax)
    const labelBytesMax = Math.max(LABEL_BYTES_MIN, streamsTotalMax * LABEL_BYTES_PER_STREAM)
    const labelsPerPeer = Math.max(LABEL_BYTES_MIN, streamsMax * LABEL_BYTES_PER_STREAM)
    this.labels = bytes(labelBytesMax, Math.min(labelBytesMax, labelsPerPeer), peersMax)
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
    const { early, sent, assembly, streams, rows, tables, labels } = this
    for (const shares of [early, sent, assembly, streams, rows, tables, labels]) shares.assertInvariants()
  }
}

function bytes(unitsMax: number, perPeer: number, sharesMax: number): Shares {
  const floorUnits = Math.floor(unitsMax * FLOORS)
  return new Shares({
    ...{ unitsMax, floorUnits, sharesMax, lending: "square" },
    ...{ floorMax: perPeer, loanMax: perPeer, shareMax: perPeer },
  })
}

function slots(slotsMax: number, slotsPerPeer: number, sharesMax: number, trustPart: number): Shares {
  const shareMax = Math.min(slotsMax, slotsPerPeer)
  return new Shares({
    ...{ unitsMax: slotsMax, floorUnits: Math.floor(slotsMax * FLOORS), sharesMax },
    ...{ floorMax: shareMax, loanMax: shareMax, shareMax, lending: "earned", trustPart },
  })
}
