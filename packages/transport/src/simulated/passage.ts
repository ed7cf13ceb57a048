import type { Datagram } from "./datagram.ts"
import type { LossFate } from "./loss.ts"

/** What a bottleneck tells a link of its datagrams. */
export interface Way {
  /** A datagram leaves the bottleneck at `passage.leavesMs`: sets when it arrives, or moves that. */
  goOn(passage: Passage): void
  /** Forgets when the datagrams from this one on arrive: they are about to go on at other times. */
  rewind(passage: Passage): void
  /** A datagram that was in the queue is dropped. */
  drop(passage: Passage): void
}

/** A datagram's way through a bottleneck and over a link; the object is used again for another. */
export class Passage {
  way: Way | undefined
  /** Everything but `"delivered"` is lost behind the bottleneck. */
  fate: LossFate | "delivered" = "delivered"
  /** Its mark, one of `ECN`. */
  ecn = 0
  /** With headers. */
  wireBytes = 0
  enteredMs = 0
  /** When its first bit is sent, and its last one. */
  startsMs = 0
  endsMs = 0
  /** When it leaves the bottleneck: after its last bit, or with others. `Infinity`: not known yet. */
  leavesMs = 0

  delayMs = 0
  jitterMs = 0
  /** It does not arrive before. */
  cloggedUntilMs = 0
  /** It is held back for so long, and later ones overtake it. */
  isHeldBack = false
  heldBackMs = 0
  /** When the one before it arrives, if that is in order. */
  previousArrivalMs = 0

  /** The datagram, and its copies with how much later they arrive. */
  datagram: Datagram | undefined
  duplicate: Datagram | undefined
  duplicateLagMs = 0
  replay: Datagram | undefined
  replayLagMs = 0

  /** Begins a passage that leaves when it enters. */
  begin(way: Way, wireBytes: number, ecn: number, nowMs: number): this {
    this.way = way
    this.ecn = ecn
    this.fate = "delivered"
    this.wireBytes = wireBytes
    this.enteredMs = this.startsMs = this.endsMs = this.leavesMs = nowMs
    this.datagram = this.duplicate = this.replay = undefined
    return this
  }
}
