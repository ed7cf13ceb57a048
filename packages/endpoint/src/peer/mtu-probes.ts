/** The probes of the path's MTU that are due, each in a datagram of its own that it fills. */

import * as wire from "@x/wire"
import type { Outbox } from "../datagram/outbox.ts"
import type { Association } from "../path/association.ts"
import type { Path } from "../path/path.ts"

/** Posts the probes that are due, as far as the socket has room. */
export function postMtuProbes({ mtu, rtt }: Path, outbox: Outbox, association: Association, nowMs: number): void {
  while (outbox.makeRoom()) {
    const probe = mtu.poll(rtt.ptoMs, nowMs)
    if (probe === undefined) return
    outbox.compose()
    const { writer } = outbox
    const body = writer.begin(wire.KIND.mtuProbe | wire.FLAG_WANTED)
    writer.finish(wire.writeMtuProbe(writer.view, body, probe, outbox.endOf(probe.size)))
    // If it is lost, its size is to blame, not the load.
    association.sent.excuse(outbox.post(association, false, nowMs))
  }
}
