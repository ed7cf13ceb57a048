/** Writes a described packet with the package's own writers. */
import * as wire from "@x/wire"
import type { DescribedDatagram } from "./arbitraries.ts"
import { datagram } from "./build.ts"
import { camel } from "./naive-codec.ts"

type Fields = Record<string, any>

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))
const formOf = (p: Fields): number => wire.FORM_NAMES.indexOf(p["form"])
const modeOf = (p: Fields): wire.Mode => wire.DELIVERIES.indexOf(p["mode"]) as wire.Mode

/** `seed`: CRC of the pseudo-header, of zeros if left out. */
export function writeDatagram(described: DescribedDatagram, seed?: number): Uint8Array {
  const envelope = seed === undefined ? described : { ...described, seed }
  return datagram(envelope, (writer) => described.packets.forEach((packet) => writePacket(writer, packet)))
}

/** Writes one packet as the next of the datagram. */
function writePacket(writer: wire.PacketWriter, packet: wire.PacketDescription): void {
  const p: Fields = packet
  const address = p["address"] && { bytes: bytesOf(p["address"].host), port: p["address"].port }
  const option = p["statusWanted"] === true ? wire.FLAG_WANTED : wire.addressForm(address) << wire.ADDRESS_FORM_SHIFT
  const body = writer.begin(wire.KIND[camel(packet.kind)] | option)
  writer.finish(writeBody(writer.view, body, p, address))
}

/** Bytes of a join without address, token, exchange and padding. */
const JOIN_BYTES = 61
const ACCEPT_BYTES = 47

function writeBody(view: DataView, body: number, p: Fields, address: wire.ReplyAddress | undefined): number {
  const raw = (at: number, hex: string): number => {
    new Uint8Array(view.buffer, at).set(bytesOf(hex))
    return at + hex.length / 2
  }
  const payload = (at: number): number => {
    for (const { type, bytes } of p["messages"] ?? [])
      at = raw(wire.writeWholeHeader(view, at, type, bytes.length / 2), bytes)
    const piece = p["piece"]
    if (piece === undefined) return at
    if (p["form"] === "first")
      return raw(wire.writeFirstHeader(view, at, piece.type, piece.message, piece.total), piece.bytes)
    if (p["form"] === "middle")
      return raw(wire.writeMiddleHeader(view, at, piece.message, piece.total, piece.offset), piece.bytes)
    if (p["form"] === "last") return raw(wire.writeLastHeader(view, at, piece.message, piece.total), piece.bytes)
    return wire.writeAbandoned(view, at, piece.message)
  }
  switch (p["kind"]) {
    case "sequenced":
      return payload(
        wire.writeSequencedBody(view, body, p["stream"], p["number"], wire.deliveryByte(modeOf(p), formOf(p))),
      )
    case "part":
      return raw(
        wire.writePartBody(
          view,
          body,
          p["stream"],
          p["number"],
          wire.deliveryByte(modeOf(p), formOf(p)),
          p["offset"],
          p["total"],
        ),
        p["bytes"],
      )
    case "fire-and-forget":
      return payload(wire.writeFireAndForgetBody(view, body, p["stream"], formOf(p)))
    case "open":
      return wire.writeOpen(view, body, { ...(p as wire.Open), mode: modeOf(p), metadata: bytesOf(p["metadata"]) })
    case "end":
      return wire.writeEnd(view, body, p as wire.End)
    case "reset":
      return wire.writeReset(view, body, p as wire.Reset)
    case "stop":
      return wire.writeStop(view, body, p as wire.Stop)
    case "status": {
      const status = wire.createStatus()
      Object.assign(status, { stream: p["stream"], state: p["state"], cumulative: p["cumulative"] })
      fill(status.received, p["received"])
      fill(status.missing, p["missing"])
      return wire.writeStatus(view, body, status)
    }
    case "sync": {
      const sync = wire.createSync()
      Object.assign(sync, { stream: p["stream"], mode: modeOf(p), low: p["low"], high: p["high"], begun: p["begun"] })
      fill(sync.gone, p["gone"])
      p["gone"].forEach((range: Fields, i: number) => (sync.gone.begun[i] = range["begun"]))
      return wire.writeSync(view, body, sync)
    }
    case "feedback": {
      const feedback = Object.assign(wire.createFeedback(), { ...p, missing: wire.createRangeList() })
      fill(feedback.missing, p["missing"])
      return wire.writeFeedback(view, body, feedback)
    }
    case "heartbeat":
      return body
    case "goodbye":
    case "refuse":
      return wire.writeReasonText(view, body, p as wire.ReasonText)
    case "path-challenge":
    case "path-response":
      return wire.writePathData(view, body, bytesOf(p["data"]))
    case "rate":
      return wire.writeRate(view, body, p as wire.Rate)
    case "mtu-probe":
      return wire.writeMtuProbe(view, body, p as wire.MtuProbe, body + wire.MTU_PROBE_HEADER_BYTES + p["paddingBytes"])
    case "join": {
      const join = {
        ...p,
        address,
        ...binary(p, "unique", "session", "receiverUnique", "token", "exchange"),
      } as unknown as wire.Join
      return wire.writeJoin(
        view,
        body,
        join,
        body + JOIN_BYTES + addressBytes(address) + join.token.length + join.exchange.length + p["paddingBytes"],
      )
    }
    case "challenge":
      return wire.writeChallenge(view, body, binary(p, "unique", "token") as unknown as wire.Challenge)
    case "accept": {
      const accept = { ...p, address, ...binary(p, "unique", "session", "exchange") } as unknown as wire.Accept
      return wire.writeAccept(
        view,
        body,
        accept,
        body + ACCEPT_BYTES + addressBytes(address) + accept.exchange.length + p["paddingBytes"],
      )
    }
    case "hint":
      return wire.writeHint(view, body, p as unknown as wire.Hint)
    default:
      return wire.writeLoose(view, body, {
        ...p,
        ...binary(p, "receiverUnique", "unique", "bytes"),
      } as unknown as wire.Loose)
  }
}

function fill(list: wire.RangeList, ranges: { from: number; to: number }[]): void {
  list.count = ranges.length
  ranges.forEach(({ from, to }, i) => {
    list.edges[2 * i] = from
    list.edges[2 * i + 1] = to
  })
}

function binary(p: Fields, ...names: string[]): Record<string, Uint8Array> {
  return Object.fromEntries(names.map((name) => [name, bytesOf(p[name])]))
}

function addressBytes(address: wire.ReplyAddress | undefined): number {
  return address === undefined ? 0 : address.bytes.length + 2
}
