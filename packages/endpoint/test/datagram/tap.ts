import type { Sealer, SendBatch, Transport } from "@x/transport/host"

/** A datagram as it was handed over. */
export interface Tapped {
  readonly bytes: Uint8Array
  readonly address: number
  readonly ecn: number
}

/** A transport that keeps the datagrams that it is given, and accepts as many as it is told to. */
export class Tap {
  readonly sent: Tapped[] = []
  /** Where each datagram ended in its slab, without the tag that it gets. */
  readonly rows: { readonly end: number; readonly slabBytes: number }[] = []
  /** Datagrams that the socket accepts until it is full. */
  room = Infinity
  /** References held to addresses, by id. */
  readonly held = new Map<number, number>()
  readonly sealers = new Map<number, Sealer>()
  readonly transport: Transport
  readonly #slabs: Uint8Array[] = []
  #sealers = 0

  constructor() {
    const transport: Partial<Transport> = {
      capabilities: {
        receiveBufferBytes: 1_048_576,
        timerMs: 1,
        families: [4],
      } as unknown as Transport["capabilities"],
      registerSlab: (bytes) => this.#slabs.push(bytes) - 1,
      releaseSlab: () => {},
      retainAddress: (id) => void this.held.set(id, (this.held.get(id) ?? 0) + 1),
      releaseAddress: (id) => void this.held.set(id, (this.held.get(id) ?? 0) - 1),
      addressOf: (id) => ({ family: 4, host: `10.0.0.${id}`, port: 4_000 }),
      registerSealer: (sealer) => {
        this.sealers.set(++this.#sealers, sealer)
        return this.#sealers
      },
      releaseSealer: (id) => void this.sealers.delete(id),
      send: (batch) => this.#send(batch),
    }
    this.transport = transport as Transport
  }

  #send(batch: SendBatch): number {
    const count = Math.min(batch.count, this.room)
    this.room -= count
    for (let row = 0; row < count; row++)
      this.sent.push({ bytes: this.#sealed(batch, row), address: batch.address[row]!, ecn: batch.ecn[row]! })
    return count
  }

  #sealed({ slab, offset, length, sealer }: SendBatch, row: number): Uint8Array {
    const bytes = this.#slabs[slab[row]!]!
    const at = offset[row]!
    this.rows.push({ end: at + length[row]!, slabBytes: bytes.length })
    const by = this.sealers.get(sealer[row]!)
    by?.seal(bytes, at, length[row]!, bytes, at)
    return bytes.slice(at, at + length[row]! + (by?.tagBytes ?? 0))
  }
}
