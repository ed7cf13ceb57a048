/** The answers that we owe a peer about the path: to challenges, and to probes of its MTU. */

import * as wire from "@x/wire"
import type { Outbox } from "../datagram/outbox.ts"
import type { Association } from "../path/association.ts"

/** Challenges that are answered at once: more are an attack. */
const RESPONSES_MAX = 4
/** Probes that are answered at once: a sender that doubts a size sends a few together, and compares the answers. */
const PROBES_MAX = 16

/** References to addresses. */
interface Addresses {
  retainAddress(address: number): void
  releaseAddress(address: number): void
}

export class PathAnswers {
  readonly #addresses: Addresses
  /** Each with the address that asks, and a reference to it. */
  readonly #responses: { readonly data: Uint8Array; readonly address: number }[] = []
  readonly #probes: wire.MtuProbe[] = []

  constructor(addresses: Addresses) {
    this.#addresses = addresses
  }

  /** The peer asks from this address whether we are at ours. The last few challenges are answered. */
  challenged(data: Uint8Array, address: number): void {
    if (this.#responses.length >= RESPONSES_MAX) this.#take()
    this.#addresses.retainAddress(address)
    this.#responses.push({ data, address })
  }

  #take(): Uint8Array {
    const { data, address } = this.#responses.shift()!
    this.#addresses.releaseAddress(address)
    return data
  }

  /** Gives back what it holds. */
  release(): void {
    while (this.#responses.length > 0) this.#take()
  }

  /** A datagram of the size that the peer probes has come. The last few are answered. */
  probed(probe: wire.MtuProbe): void {
    if (this.#probes.length >= PROBES_MAX) this.#probes.shift()
    this.#probes.push(probe)
  }

  /**
   * Sends the answers to challenges, each in a datagram of its own, as long as the challenge: to the address that asks,
   * wherever other datagrams go. As far as the socket has room.
   */
  postResponses(outbox: Outbox, association: Association, nowMs: number): void {
    while (this.#responses.length > 0 && outbox.makeRoom()) {
      const { data, address } = this.#responses[0]!
      const to = association.addresses.at(address)
      outbox.compose()
      const { writer } = outbox
      writer.finish(wire.writePathData(writer.view, writer.begin(wire.KIND.pathResponse), data))
      if (to === undefined || outbox.composedBytes <= to.roomBytes) {
        const bytes = outbox.postTo(address, association, nowMs)
        if (to !== undefined) to.roomBytes -= bytes
      }
      this.#take()
    }
  }

  /** The answer to a probe gets a datagram of its own, and goes to no address that isn't proved. */
  postProbeAnswers(outbox: Outbox, association: Association, nowMs: number): void {
    while (this.#probes.length > 0 && association.roomBytes === Infinity && outbox.makeRoom()) {
      outbox.compose()
      const { writer } = outbox
      writer.finish(wire.writeMtuProbe(writer.view, writer.begin(wire.KIND.mtuProbe), this.#probes.shift()!))
      outbox.post(association, false, nowMs)
    }
  }
}
