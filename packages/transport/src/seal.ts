/** Seals and opens one datagram at a time, for transports that have no faster way. */

import type { ReceiveBatch, Sealer, SendBatch } from "./transport.ts"
import type { IdTable } from "./id-table.ts"

/** No tag is longer. */
const TAG_BYTES_MAX = 64

/** Throws a `RangeError` for a row that extends beyond its slab; returns its length. */
export function checkRow(batch: SendBatch, row: number, slab: Uint8Array, sealer: Sealer | undefined): number {
  const offset = batch.offset[row]!
  const length = batch.length[row]!
  const tagBytes = sealer === undefined || sealer.isOutOfPlace ? 0 : sealer.tagBytes
  if (offset < 0 || length < 0 || offset + length + tagBytes > slab.length)
    throw new RangeError(
      `row ${row}, ${length + tagBytes} bytes from ${offset} on, reaches out of a slab of ${slab.length}`,
    )
  return length
}

/** Seals rows of a batch in place, or in memory of its own that the next row overwrites. */
export class RowSealer {
  /** Holds the last row, sealed. */
  slab: Uint8Array = new Uint8Array(0)
  offset = 0
  length = 0
  readonly #sealers: IdTable<Sealer>
  readonly #datagramBytesMax: number
  #staging: Uint8Array | undefined

  constructor(sealers: IdTable<Sealer>, datagramBytesMax: number) {
    this.#sealers = sealers
    this.#datagramBytesMax = datagramBytesMax
  }

  /** Memory for rows that can't be sealed in place. */
  get staging(): Uint8Array {
    return (this.#staging ??= new Uint8Array(this.#datagramBytesMax + TAG_BYTES_MAX))
  }

  /**
   * Throws a `RangeError` for a row that extends beyond its slab. A row too long for any datagram isn't sealed:
   * {@link RowSealer.length} shows that.
   */
  seal(batch: SendBatch, row: number, slab: Uint8Array, isStaged = false): void {
    const id = batch.sealer[row]!
    const sealer = id === 0 ? undefined : this.#sealers.get(id)
    const length = checkRow(batch, row, slab, sealer)
    const offset = batch.offset[row]!
    this.slab = slab
    this.offset = offset
    this.length = length + (sealer?.tagBytes ?? 0)
    if (this.length > this.#datagramBytesMax) return
    if (!isStaged && sealer?.isOutOfPlace !== true) return sealer?.seal(slab, offset, length, slab, offset)
    this.slab = this.staging
    this.offset = 0
    if (sealer?.isOutOfPlace) return sealer.seal(slab, offset, length, this.staging, 0)
    this.staging.set(slab.subarray(offset, offset + length))
    sealer?.seal(this.staging, 0, length, this.staging, 0)
  }
}

/** Fills in the verdicts of all rows that name an opener. */
export function openBatch(batch: ReceiveBatch, sealers: IdTable<Sealer>): void {
  for (let row = 0; row < batch.count; row++) {
    const id = batch.opener[row]!
    if (id === 0) continue
    const isGenuine = sealers.get(id).open(batch.slabs[batch.slab[row]!]!, batch.offset[row]!, batch.length[row]!)
    batch.verdict[row] = isGenuine ? 1 : 0
  }
}
