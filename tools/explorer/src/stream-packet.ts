/** Packets of one stream on their way. They are never changed. */
import { createStatus, type End, type Open, type RangeList, type Reset, STATUS, type Status, type Sync } from "@x/wire"

export type Packet =
  | {
      readonly kind: "data"
      readonly number: number
      readonly delivery: number
      readonly wanted: boolean
      readonly bytes: Uint8Array
    }
  | { readonly kind: "open"; readonly open: Open }
  | { readonly kind: "close"; readonly close: End | Reset }
  | { readonly kind: "sync"; readonly sync: Sync }
  | { readonly kind: "status"; readonly status: Status }

/** A copy of the ranges that are used: machines reuse the memory of theirs. */
export function trimmed({ count, edges }: RangeList): RangeList {
  return { count, edges: edges.slice(0, 2 * count) }
}

/** What a receiver answers that has closed the stream. */
export function closedStatus(final: number): Status {
  return { ...createStatus(), stream: 1, state: STATUS.closed, cumulative: final }
}

/** The whole content of a packet: packets with the same name are equal. */
export function nameOf(packet: Packet): string {
  let name = names.get(packet)
  if (name === undefined) names.set(packet, (name = compose(packet)))
  return name
}

const names = new WeakMap<Packet, string>()

function compose(packet: Packet): string {
  const ranges = ({ count, edges }: RangeList): string =>
    Array.from({ length: count }, (_, i) => `${edges[2 * i]}–${edges[2 * i + 1]}`).join(" ")
  switch (packet.kind) {
    case "data":
      return `data ${packet.number}${packet.wanted ? " wanted" : ""} (message ${packet.bytes.at(-1)})`
    case "sync":
      return `sync ${packet.sync.low}–${packet.sync.high}, begun ${packet.sync.begun}, gone [${ranges(packet.sync.gone)}] ${packet.sync.gone.begun.slice(0, packet.sync.gone.count).join()}`
    case "status":
      return `status ${packet.status.state} below ${packet.status.cumulative}, has [${ranges(packet.status.received)}], asks [${ranges(packet.status.missing)}]`
    case "close":
      return `end at ${packet.close.final}`
    default:
      return packet.kind
  }
}
