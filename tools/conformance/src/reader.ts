import type { DropReason } from "./datagram.ts"

/** Thrown to end the decoding of a datagram; `decodeDatagram` always catches it. */
export class Refused extends Error {
  readonly reason: DropReason

  constructor(reason: DropReason) {
    super(reason)
    this.reason = reason
  }
}

export function refuse(reason: DropReason): never {
  throw new Refused(reason)
}

/** Reads fields one after the other, from the first byte to the last. §1: numbers are unsigned and little-endian. */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** O13, or O21 for the fields of a payload. */
  need(count: number, reason: DropReason): void {
    if (this.left < count) refuse(reason)
  }

  u8(): number {
    const value = this.#view.getUint8(this.#at)
    this.#at += 1
    return value
  }

  u16(): number {
    const value = this.#view.getUint16(this.#at, true)
    this.#at += 2
    return value
  }

  u32(): number {
    const value = this.#view.getUint32(this.#at, true)
    this.#at += 4
    return value
  }

  u48(): number {
    const low = this.u32()
    const high = this.u16()
    return high * 2 ** 32 + low
  }

  bytes(count: number): Uint8Array {
    const value = this.#bytes.subarray(this.#at, this.#at + count)
    this.#at += count
    return value
  }

  rest(): Uint8Array {
    return this.bytes(this.left)
  }
}

export function hex(bytes: Uint8Array): string {
  let text = ""
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0")
  return text
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}
