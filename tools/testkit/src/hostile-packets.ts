/**
 * Packets that are well-formed, and that no endpoint would send: far ahead, with gaps, begun and never finished, about
 * what was never sent. One kind in each datagram, as often as fits: that is where a cost adds up.
 */
import * as wire from "@x/wire"
import type { Draw } from "./draw.ts"

export const HOSTILE_KINDS = [
  "far",
  "gaps",
  "first-pieces",
  "loose-first-pieces",
  "abandoned",
  "sync",
  "status",
  "feedback",
  "part",
  "openings",
  "ends",
  "stops",
] as const

/** Where writing has come to, so that numbers rise from datagram to datagram. */
export interface HostileState {
  number: number
  message: number
}

const { KIND, MODE, FORM } = wire
const NUMBERED = [MODE.reliable, MODE["reliable-unordered"], MODE["best-effort"], MODE.latest] as const
const STREAMS = 8
/** More than any packet here but a sync and a status with all of their ranges. */
const PACKET_BYTES = 40
const RANGES_BYTES = 700

/** Fills a datagram up to `endBytes`. */
export function writeHostile(draw: Draw, writer: wire.PacketWriter, endBytes: number, state: HostileState): void {
  const kind = draw.pick(HOSTILE_KINDS)
  // A part fills a datagram by itself.
  const packets = kind === "part" ? 1 : draw.pick([1, 1, 8, 64])
  const stream = draw.whole(1, STREAMS)
  const mode = draw.pick(NUMBERED)
  for (let i = 0; i < packets; i++) {
    const bytes = kind === "sync" || kind === "status" ? RANGES_BYTES : PACKET_BYTES
    if (i > 0 && writer.end + bytes > endBytes) return
    const about = { kind, mode, stream: draw.chance(0.9) ? stream : draw.whole(1, STREAMS) }
    writePacket(draw, writer, about, state)
  }
}

interface About {
  readonly kind: (typeof HOSTILE_KINDS)[number]
  readonly mode: wire.Mode
  readonly stream: number
}

function writePacket(draw: Draw, writer: wire.PacketWriter, { kind, mode, stream }: About, state: HostileState): void {
  const { view } = writer
  const sequenced = (number: number, form: wire.Form): number =>
    wire.writeSequencedBody(view, writer.begin(KIND.sequenced), stream, number, wire.deliveryByte(mode, form))
  switch (kind) {
    case "far": {
      const number = draw.pick([63, 64, 1_023, 1_024, 4_095, 4_096, 16_383, 65_535])
      return writer.finish(wire.writeWholeHeader(view, sequenced(number, FORM.whole), 1, 0))
    }
    case "gaps":
      return writer.finish(wire.writeWholeHeader(view, sequenced((state.number += 2), FORM.whole), 1, 0))
    case "first-pieces": {
      const total = draw.pick([2_000, 60_000, 16_777_216, 0xffff_ffff])
      return writer.finish(
        wire.writeFirstHeader(view, sequenced(state.number++, FORM.first), 1, state.message++, total) + 1,
      )
    }
    case "loose-first-pieces": {
      const body = wire.writeFireAndForgetBody(view, writer.begin(KIND.fireAndForget), stream, FORM.first)
      const total = draw.pick([2_000, 60_000, 16_777_216])
      return writer.finish(wire.writeFirstHeader(view, body, 1, state.message++, total) + 1)
    }
    case "abandoned":
      return writer.finish(wire.writeAbandoned(view, sequenced(state.number++, FORM.abandoned), state.message++))
    case "sync":
      return writer.finish(wire.writeSync(view, writer.begin(KIND.sync | wire.FLAG_WANTED), syncOf(draw, stream, mode)))
    case "status":
      return writer.finish(wire.writeStatus(view, writer.begin(KIND.status), statusOf(draw, stream)))
    case "feedback": {
      const counter = draw.pick([1, 1_000, 1_000_000, wire.NUMBER_MAX])
      const feedback = { ...wire.createFeedback(), counter, datagrams: draw.whole(0, 100_000) }
      return writer.finish(wire.writeFeedback(view, writer.begin(KIND.feedback), feedback))
    }
    case "part": {
      const delivery = wire.deliveryByte(mode, FORM.whole)
      const at = wire.writePartBody(view, writer.begin(KIND.part), stream, state.number++, delivery, 0, 60_000)
      return writer.finish(at + 1)
    }
    case "openings": {
      const id = draw.whole(1, 10_000)
      const open = { stream: id, first: draw.whole(0, 100), mode, priority: 1, metadata: new Uint8Array(0) }
      return writer.finish(wire.writeOpen(view, writer.begin(KIND.open), open))
    }
    case "ends": {
      const final = draw.pick([0, state.number, 100_000])
      if (draw.chance(0.5))
        return writer.finish(wire.writeEnd(view, writer.begin(KIND.end), { stream, final, begun: 0 }))
      return writer.finish(wire.writeReset(view, writer.begin(KIND.reset), { stream, reason: 9, final, begun: 0 }))
    }
    case "stops":
      return writer.finish(wire.writeStop(view, writer.begin(KIND.stop), { stream, reason: 9 }))
  }
}

function syncOf(draw: Draw, stream: number, mode: wire.Mode): wire.Sync {
  const sync = wire.createSync()
  const low = draw.pick([0, 0, 10, 5_000])
  Object.assign(sync, { stream, mode, low, high: low + draw.pick([0, 300, 4_000, 16_000]) })
  let at = low + 1
  for (let count = draw.pick([0, 4, wire.RANGES_MAX]); count > 0 && at + 2 < sync.high; count--) {
    sync.gone.edges[2 * sync.gone.count] = at
    sync.gone.edges[2 * sync.gone.count + 1] = at + 1
    sync.gone.begun[sync.gone.count++] = 0
    at += 2 + draw.whole(0, 2)
  }
  return sync
}

function statusOf(draw: Draw, stream: number): wire.Status {
  const status = wire.createStatus()
  status.stream = stream
  status.cumulative = draw.pick([0, 1, 10, 200, 100_000])
  const list = draw.chance(0.5) ? status.received : status.missing
  let at = status.cumulative + 1
  for (let count = draw.pick([0, 4, wire.RANGES_MAX]); count > 0; count--) {
    list.edges[2 * list.count] = at
    list.edges[2 * list.count + 1] = at + 1
    list.count++
    at += 2
  }
  return status
}
