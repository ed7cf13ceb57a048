/** Control packets of a stream to a peer: its opening, its end or reset, and syncs. */

import type { SendStream } from "@x/stream"
import * as wire from "@x/wire"
import type { ControlWriter } from "../datagram/control-writer.ts"

/** Writes the control packets of a stream that are due; `false`: the socket is full. `sync` is scratch. */
export function composeStream(stream: SendStream, control: ControlWriter, sync: wire.Sync, nowMs: number): boolean {
  if (!control.hasRoom()) return false
  composeOpen(stream, control, nowMs)
  if (!control.hasRoom()) return false
  composeClose(stream, control, nowMs)
  if (!control.hasRoom()) return false
  composeSync(stream, control, sync, nowMs)
  return true
}

function composeOpen(stream: SendStream, control: ControlWriter, nowMs: number): void {
  const open = stream.pollOpen(nowMs)
  if (open === undefined) return
  const body = control.begin(wire.KIND.open, wire.OPEN_HEADER_BYTES + open.metadata.length)
  control.finish(wire.writeOpen(control.view, body, open))
}

function composeClose(stream: SendStream, control: ControlWriter, nowMs: number): void {
  const end = stream.pollClose(nowMs)
  if (end === undefined) return
  if ("reason" in end)
    control.finish(wire.writeReset(control.view, control.begin(wire.KIND.reset, wire.RESET_BYTES), end))
  else control.finish(wire.writeEnd(control.view, control.begin(wire.KIND.end, wire.END_BYTES), end))
}

function composeSync(stream: SendStream, control: ControlWriter, sync: wire.Sync, nowMs: number): void {
  const rangesMax = Math.floor((control.bodyBytesMax - wire.SYNC_HEADER_BYTES) / wire.GONE_RANGE_BYTES)
  if (!stream.pollSync(nowMs, sync, rangesMax)) return
  const body = control.begin(wire.KIND.sync | (stream.doesSyncAsk ? wire.FLAG_WANTED : 0), wire.syncBytes(sync))
  control.finish(wire.writeSync(control.view, body, sync))
}
