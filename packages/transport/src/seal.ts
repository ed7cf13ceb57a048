/** Tags one datagram at a time, for transports that have no faster way. */

import type { ReceiveBatch, Sealer, SendBatch } from "./host.ts"
import type { IdTable } from "./id-table.ts"

/** Throws `RangeError` for a row that reaches out of its slab; answers its length with the tag. */
export function checkRow(batch: SendBatch, row: number, slab: Uint8Array, tagBytes: number): number {
  const offset = batch.offset[row]!
  const length = batch.length[row]!
  const sealedLength = length + tagBytes
  if (offset < 0 || length < 0 || offset + sealedLength > slab.length)
    throw new RangeError(`row ${row}, ${sealedLength} bytes from ${offset} on, reaches out of a slab of ${slab.length}`)
  return sealedLength
}

/** Writes the tag of a row behind its bytes, where it wants one; answers the length of both. Throws `RangeError` for a row that reaches out of its slab. */
export function sealRow(batch: SendBatch, row: number, slab: Uint8Array, sealers: IdTable<Sealer>): number {
  const id = batch.sealer[row]!
  const sealer = id === 0 ? undefined : sealers.get(id)
  const sealedLength = checkRow(batch, row, slab, sealer?.tagBytes ?? 0)
  sealer?.seal(slab, batch.offset[row]!, batch.length[row]!)
  return sealedLength
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
