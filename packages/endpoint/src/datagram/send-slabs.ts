import type { PacketPool } from "@x/stream"
import type { Transport } from "@x/transport/host"

/** The transport's numbers for the memory of a pool: a chunk is registered when the first packet is sent from it. */
export class SendSlabs {
  readonly #pool: PacketPool
  readonly #transport: Pick<Transport, "registerSlab" | "releaseSlab">
  /** By the pool's number of the chunk. */
  readonly #slabs: (number | undefined)[] = []

  constructor(pool: PacketPool, transport: Pick<Transport, "registerSlab" | "releaseSlab">) {
    this.#pool = pool
    this.#transport = transport
  }

  /** The number for the chunk that a slot lies in. */
  of(slot: number): number {
    const chunk = this.#pool.chunk(slot)
    return (this.#slabs[chunk] ??= this.#transport.registerSlab(this.#pool.bytes(slot)))
  }

  /** These chunks have no memory any more. */
  forget(chunks: readonly number[]): void {
    for (const chunk of chunks) {
      const slab = this.#slabs[chunk]
      if (slab === undefined) continue
      this.#transport.releaseSlab(slab)
      this.#slabs[chunk] = undefined
    }
  }

  release(): void {
    for (const slab of this.#slabs) if (slab !== undefined) this.#transport.releaseSlab(slab)
  }
}
