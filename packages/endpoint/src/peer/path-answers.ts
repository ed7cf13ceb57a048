/** The answers that we owe a peer about the path: to challenges, and to probes of its MTU. */

import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"
import type { Outbox } from "../datagram/outbox.ts"
import type { Association } from "../path/association.ts"

/** Challenges that are answered at once: more are an attack. */
const RESPONSES_MAX = 4

export class PathAnswers {
  readonly #responses: Uint8Array[] = []
  #probe: wire.MtuProbe | undefined

  /** The peer asks whether we are at our address. The last few challenges are answered. */
  challenged(data: Uint8Array): void {
    if (this.#responses.length >= RESPONSES_MAX) this.#responses.shift()
    this.#responses.push(data)
  }

  /** A datagram of the size that the peer probes has come. The last one is answered. */
  probed(probe: wire.MtuProbe): void {
    this.#probe = probe
  }

  /** Writes the answers to challenges; `false`: the socket is full. */
  compose(control: ControlWriter): boolean {
    while (this.#responses.length > 0) {
      if (!control.hasRoom()) return false
      const body = control.begin(wire.KIND.pathResponse, wire.PATH_CHALLENGE_BYTES)
      control.finish(wire.writePathData(control.view, body, this.#responses.shift()!))
    }
    return true
  }

  /** The answer to a probe gets a datagram of its own. */
  postProbeAnswer(outbox: Outbox, association: Association, nowMs: number): void {
    if (this.#probe === undefined || !outbox.makeRoom()) return
    outbox.compose()
    const { writer } = outbox
    writer.finish(wire.writeMtuProbe(writer.view, writer.begin(wire.KIND.mtuProbe), this.#probe))
    outbox.post(association, false, nowMs)
    this.#probe = undefined
  }
}
