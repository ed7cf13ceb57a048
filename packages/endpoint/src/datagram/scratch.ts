/**
 * Objects that packets are read into and written from. One set for all peers: a field is valid until the next packet is
 * read or written, and never across a call of the application.
 *
 * @module
 */

import {
  createKeptPacket,
  createOutgoingPacket,
  type KeptPacket,
  type OutgoingPacket,
  type SkippedPackets,
} from "@x/stream"
import * as wire from "@x/wire"
import { createDeliverySample, type DeliverySample } from "../congestion/controller.ts"

export interface Scratch {
  readonly status: wire.Status
  readonly sync: wire.Sync
  readonly feedback: wire.Feedback
  readonly piece: wire.Piece
  readonly messages: wire.MessageCursor
  readonly kept: KeptPacket
  readonly skipped: SkippedPackets
  readonly packet: OutgoingPacket
  readonly sample: DeliverySample
}

export function createScratch(): Scratch {
  return {
    status: wire.createStatus(),
    sync: wire.createSync(),
    feedback: wire.createFeedback(),
    piece: wire.createPiece(),
    messages: new wire.MessageCursor(),
    kept: createKeptPacket(),
    skipped: { begun: 0 },
    packet: createOutgoingPacket(),
    sample: createDeliverySample(),
  }
}
