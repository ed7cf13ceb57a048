/** A peer without the layer, which sends whatever a test wants on streams of its labels. */
import type { Delivery, IncomingStream, OutgoingStream, Peer } from "@x/endpoint"
import { MESSAGE } from "../src/format/labels.ts"

const encoder = new TextEncoder()

/** The bytes of a message: a first byte, slot and generation, and what follows. */
export function message(
  first: number,
  slot: number,
  generation: number,
  ...rest: readonly (number | string)[]
): Uint8Array {
  const tail = rest.flatMap((it) => (typeof it === "string" ? [...encoder.encode(it)] : [it]))
  const bytes = new Uint8Array(7 + tail.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, first)
  view.setUint16(1, slot, true)
  view.setUint32(3, generation, true)
  bytes.set(tail, 7)
  return bytes
}

/** A part, or the end of parts. */
export function part(first: number, ...rest: readonly (number | string)[]): Uint8Array {
  return Uint8Array.from([first, ...rest.flatMap((it) => (typeof it === "string" ? [...encoder.encode(it)] : [it]))])
}

/** Streams to a peer, each opened when it is first used. */
export class Raw {
  readonly #peer: Peer
  readonly #streams = new Map<string, OutgoingStream>()

  constructor(peer: Peer) {
    this.#peer = peer
  }

  stream(
    label: string,
    delivery: Delivery = label.includes("parts") ? "reliable" : "reliable-unordered",
  ): OutgoingStream {
    let stream = this.#streams.get(label)
    if (stream === undefined) this.#streams.set(label, (stream = this.#peer.open({ label, delivery })))
    return stream
  }

  send(label: string, bytes: Uint8Array): void {
    this.stream(label).trySend(MESSAGE, bytes)
  }
}

/** The messages of a stream, in hexadecimal. */
export function listen(stream: IncomingStream, into: string[]): void {
  stream.handle(MESSAGE, ({ bytes }) => into.push(`${stream.label} ${Buffer.from(bytes).toString("hex")}`))
}
