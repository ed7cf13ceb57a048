import type { Address } from "../addresses.ts"
import type { Arrival } from "./virtual-time.ts"

/** Bytes of a reusable buffer: more than an Ethernet frame holds. */
const BUFFER_BYTES = 2_048

/** A datagram on its way. */
export class Datagram implements Arrival {
  readonly kind = "arrival"
  atMs = 0
  order = 0
  index = -1
  from: Address
  to: Address
  bytes: Uint8Array
  /** Its mark, one of `ECN`. */
  ecn = 0
  readonly #buffer: Uint8Array
  readonly #arrive: (datagram: Datagram) => void

  constructor(from: Address, to: Address, arrive: (datagram: Datagram) => void) {
    this.from = from
    this.to = to
    this.#buffer = new Uint8Array(BUFFER_BYTES)
    this.bytes = this.#buffer
    this.#arrive = arrive
  }

  /** Turns it into another datagram, with a copy of these bytes. */
  fill(from: Address, to: Address, bytes: Uint8Array): void {
    this.from = from
    this.to = to
    this.ecn = 0
    if (bytes.length > BUFFER_BYTES) {
      this.bytes = bytes.slice()
    } else {
      this.#buffer.set(bytes)
      this.bytes = this.#buffer.subarray(0, bytes.length)
    }
  }

  arrive(): void {
    this.#arrive(this)
  }
}
