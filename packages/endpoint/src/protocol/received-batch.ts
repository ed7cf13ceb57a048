/**
 * Datagrams that came together, in two passes: first the cheap checks and the tags of all of them, then one datagram
 * after the other, each checked anew. A datagram that fails is dropped and counted, and changes nothing.
 *
 * @module
 */

import type { ReceiveBatch, Transport } from "@x/transport/host"
import * as wire from "@x/wire"
import type { Hints } from "../join/hints.ts"
import { NO_OPENER } from "../keys/protection.ts"
import type { SealedHandshakes } from "../keys/sealed-handshakes.ts"
import type { Association } from "../path/association.ts"
import type { SlotTable } from "../path/slots.ts"
import type { SlotOwner } from "./slot-owner.ts"

/** No sealers have these ids: the row was dropped, or is outside an association. */
const REFUSED = -1
const OUTSIDE = -2

/** What the first pass has found of a row. */
const ROW = { refused: 0, inside: 1, outside: 2 } as const

export interface ReceivedBatchParts {
  readonly profile: wire.Profile
  /** Bytes of the longest datagram that is accepted. */
  readonly datagramBytesMax: number
  readonly slots: SlotTable<SlotOwner>
  readonly transport: Pick<Transport, "open">
  /** Absent in profiles with keys: then a source isn't told that we don't have its slot. */
  readonly hints: Hints | undefined
  /** In profiles with keys: what a join has to pass before anything else is done with it. */
  readonly gate: Pick<SealedHandshakes, "checkGate"> | undefined
  /** Counts a dropped datagram. */
  drop(reason: wire.DropReason): void
  /** There is something to send. */
  onWork(): void
}

/** What the slot of a datagram leads to, if that is an association. */
export type Receiver = Exclude<SlotOwner, { kind: "join" }>

export function associationOf(owner: Receiver): Association {
  return owner.kind === "association" ? owner.association : owner.entry.association
}

export class ReceivedBatch {
  /** The datagram in hand: where it lies, and the id of its source. */
  view!: DataView
  bytes!: Uint8Array
  offset = 0
  length = 0
  address = 0
  /** Its mark, one of `ECN`. */
  mark = 0
  readonly #parts: ReceivedBatchParts
  readonly #isKeyed: boolean
  /** The memory that datagrams lie in, by its number, and a view of each. */
  readonly #slabs: Uint8Array[] = []
  readonly #views: DataView[] = []
  /** What the first pass has read of each row: what it is (`ROW`), its slot and its counter. */
  #kinds = new Uint8Array(0)
  #slots = new Uint32Array(0)
  #counters = new Float64Array(0)
  /** The present batch, which kind of row is taken in hand at present, and the next row. */
  #batch: ReceiveBatch | undefined
  #kind: number = ROW.inside
  #row = 0

  constructor(parts: ReceivedBatchParts) {
    this.#parts = parts
    this.#isKeyed = parts.profile >= wire.PROFILE.mac
  }

  /** The first pass over all datagrams: cheap checks, then the tags in one call. */
  start(batch: ReceiveBatch, nowMs: number): void {
    if (this.#kinds.length < batch.count) this.#grow(batch.opener.length)
    for (let row = 0; row < batch.count; row++) {
      const opener = this.#openerOf(batch, row, nowMs)
      this.#kinds[row] = opener === REFUSED ? ROW.refused : opener === OUTSIDE ? ROW.outside : ROW.inside
      batch.opener[row] = Math.max(opener, 0)
    }
    this.#parts.transport.open(batch)
    this.#batch = batch
    this.#kind = ROW.inside
    this.#row = 0
  }

  #grow(rows: number): void {
    this.#kinds = new Uint8Array(rows)
    this.#slots = new Uint32Array(rows)
    this.#counters = new Float64Array(rows)
  }

  /**
   * Takes the next datagram that was not dropped in hand; `false`: there is none. Those of associations come first, so
   * that no flood of joins is in their way.
   */
  next(): boolean {
    const batch = this.#batch
    if (batch === undefined) return false
    while (this.#row < batch.count || this.#turnsOutside()) {
      const row = this.#row++
      // A handler may have transferred the memory to a worker: the remaining datagrams are lost like any other.
      const bytes = batch.slabs[batch.slab[row]!]!
      if (this.#kinds[row] !== this.#kind || bytes.length === 0) continue
      this.view = this.#viewOf(batch, row)
      this.bytes = bytes
      this.offset = batch.offset[row]!
      this.length = batch.length[row]!
      this.address = batch.address[row]!
      this.mark = batch.ecn[row]!
      return true
    }
    this.#batch = undefined
    return false
  }

  /** All rows were looked at: once more, for datagrams outside an association. `false`: that is done too. */
  #turnsOutside(): boolean {
    if (this.#kind === ROW.outside) return false
    this.#kind = ROW.outside
    this.#row = 0
    return true
  }

  /** Whether the datagram in hand is outside an association. */
  get isHandshake(): boolean {
    return this.#kind === ROW.outside
  }

  get slot(): number {
    return this.#slots[this.#row - 1]!
  }

  get counter(): number {
    return this.#counters[this.#row - 1]!
  }

  get epoch(): number {
    return this.#isKeyed ? wire.prefixEpoch(this.view, this.offset) : 0
  }

  /** The random bit that proves that it came, 0 or 1. */
  get nonce(): number {
    return wire.prefixNonce(this.view, this.offset)
  }

  /** The receiver of the datagram in hand, if it belongs to an association; `undefined`: the datagram was dropped. */
  receiver(): Receiver | undefined {
    const { slots, profile } = this.#parts
    const batch = this.#batch!
    const row = this.#row - 1
    // Earlier datagrams of the batch may have ended the association, or been duplicates of this one.
    const owner = slots.get(this.slot)
    if (owner === undefined || owner.kind === "join") return this.#refuse("unknown-slot")
    const association = associationOf(owner)
    const stale = association.replay.check(this.counter)
    if (stale !== undefined) return this.#refuse(stale)
    if (batch.opener[row] !== 0 && batch.verdict[row] !== 1) return this.#refuse("tag")
    const reason = wire.checkPackets(this.view, this.offset, this.length, profile)
    if (reason !== undefined) return this.#refuse(reason)
    // The joiner is at the source of the join, and has our accept. A copy of the join from elsewhere must not redirect
    // what we send.
    if (owner.kind === "half-open" && this.address !== association.address) return this.#refuse("unexpected")
    return owner
  }

  #refuse(reason: wire.DropReason): undefined {
    this.#parts.drop(reason)
  }

  #viewOf(batch: ReceiveBatch, row: number): DataView {
    const id = batch.slab[row]!
    const slab = batch.slabs[id]!
    if (this.#slabs[id] === slab) return this.#views[id]!
    this.#slabs[id] = slab
    return (this.#views[id] = new DataView(slab.buffer, slab.byteOffset, slab.byteLength))
  }

  /**
   * The sealer to check a datagram with, 0 if it has no tag, {@link OUTSIDE} if it is outside an association,
   * {@link REFUSED} if it was dropped.
   */
  #openerOf(batch: ReceiveBatch, row: number, nowMs: number): number {
    const { profile, datagramBytesMax, slots, gate } = this.#parts
    const view = this.#viewOf(batch, row)
    const offset = batch.offset[row]!
    const reason = wire.checkPrefix(view, offset, batch.length[row]!, profile, datagramBytesMax)
    if (reason !== undefined) return this.#refuseRow(reason)
    const counter = (this.#counters[row] = wire.prefixCounter(view, offset))
    const slot = (this.#slots[row] = wire.prefixSlot(view, offset))
    if (wire.prefixHandshake(view, offset)) {
      const isShut = slot === 0 ? gate?.checkGate(view, offset, batch.length[row]!) : undefined
      return isShut === undefined ? OUTSIDE : this.#refuseRow(isShut)
    }
    const owner = slots.get(slot)
    if (owner === undefined || owner.kind === "join") {
      this.#hint(batch, row, nowMs)
      return this.#refuseRow("unknown-slot")
    }
    const { replay, protection } = associationOf(owner)
    const stale = replay.check(counter)
    if (stale !== undefined) return this.#refuseRow(stale)
    const opener = protection.opener(this.#isKeyed ? wire.prefixEpoch(view, offset) : 0, nowMs)
    return opener === NO_OPENER ? this.#refuseRow("tag") : opener
  }

  #refuseRow(reason: wire.DropReason): number {
    this.#parts.drop(reason)
    return REFUSED
  }

  /** Tells the source of a datagram that we don't have its slot. */
  #hint(batch: ReceiveBatch, row: number, nowMs: number): void {
    const { hints } = this.#parts
    if (hints?.answer(this.#slots[row]!, this.#counters[row]!, batch.length[row]!, batch.address[row]!, nowMs) === true)
      this.#parts.onWork()
  }
}
