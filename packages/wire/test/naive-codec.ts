/**
 * The obviously correct twin of the writers: a packet's bytes, field by field in the order of the table in PROTOCOL.md
 * §3. The oracle of the property tests.
 */
import { DELIVERIES, FORM_NAMES, KIND, PROFILE } from "@x/wire"
import type { DescribedDatagram } from "./arbitraries.ts"

class Bytes {
  readonly list: number[] = []
  uint(value: number, bytes: number): this {
    for (let i = 0; i < bytes; i++) this.list.push(Math.floor(value / 256 ** i) % 256)
    return this
  }
  hex(text: string): this {
    for (let i = 0; i < text.length; i += 2) this.list.push(Number.parseInt(text.slice(i, i + 2), 16))
    return this
  }
  zeros(count: number): this {
    for (let i = 0; i < count; i++) this.list.push(0)
    return this
  }
}

type Fields = Record<string, any>

/** The datagram without its tag. */
export function naiveDatagram({
  profile,
  handshake,
  slot,
  counter,
  nonce,
  epoch,
  packets,
}: DescribedDatagram): number[] {
  const out = new Bytes()
    .uint(profile + (handshake ? 4 : 8 * nonce), 1)
    .uint(slot, 4)
    .uint(counter, 6)
  if (profile === PROFILE.mac || profile === PROFILE.aead) out.uint(epoch, 1)
  packets.forEach((packet, i) => {
    const body = naiveBody(packet)
    const last = i === packets.length - 1
    out.uint(KIND[camel(packet.kind)] + 32 * option(packet) + (last ? 0 : 128), 1)
    if (!last) out.uint(body.length, 2)
    out.list.push(...body)
  })
  return out.list
}

export function camel(kind: string): keyof typeof KIND {
  return kind.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()) as keyof typeof KIND
}

function option(packet: Fields): number {
  if (packet["statusWanted"] === true) return 1
  return packet["address"] === undefined ? 0 : packet["address"].family === 4 ? 1 : 2
}

function naiveBody(p: Fields): number[] {
  const out = new Bytes()
  const delivery = (): Bytes => out.uint(DELIVERIES.indexOf(p["mode"]) + 8 * FORM_NAMES.indexOf(p["form"]), 1)
  const ranges = (base: number, list: Fields[]): void => {
    for (const { from, to, begun } of list) {
      out.uint(from - base, 2).uint(to - from - 1, 2)
      if (begun !== undefined) out.uint(begun, 6)
      base = to
    }
  }
  const limits = ({ datagramBytes, inFlight, spread, streams, messageBytes, statusDelayMs }: Fields): void => {
    out
      .uint(datagramBytes, 2)
      .uint(inFlight, 4)
      .uint(spread, 4)
      .uint(streams, 4)
      .uint(messageBytes, 4)
      .uint(statusDelayMs, 2)
  }
  const address = (): void => {
    if (p["address"] !== undefined) out.hex(p["address"].host).uint(p["address"].port, 2)
  }
  const short = (value: number): void => {
    for (; value >= 128; value = Math.floor(value / 128)) out.uint(128 + (value % 128), 1)
    out.uint(value, 1)
  }
  const payload = (): void => {
    for (const { type, bytes } of p["messages"] ?? []) {
      out.uint(type, 2)
      short(bytes.length / 2)
      out.hex(bytes)
    }
    const piece = p["piece"]
    if (piece === undefined) return
    if (piece.type !== undefined) out.uint(piece.type, 2)
    out.uint(piece.message, 6)
    if (piece.total !== undefined) out.uint(piece.total, 4)
    if (piece.offset !== undefined) out.uint(piece.offset, 4)
    out.hex(piece.bytes ?? "")
  }
  if (p["stream"] !== undefined) out.uint(p["stream"], 4)
  switch (p["kind"]) {
    case "sequenced":
      out.uint(p["number"], 6)
      delivery()
      payload()
      break
    case "part":
      out.uint(p["number"], 6)
      delivery().uint(p["offset"], 2).uint(p["total"], 2).hex(p["bytes"])
      break
    case "fire-and-forget":
      delivery()
      payload()
      break
    case "open":
      out.uint(p["first"], 6)
      delivery().uint(p["priority"], 1).hex(p["metadata"])
      break
    case "end":
      out.uint(p["final"], 6).uint(p["begun"], 6)
      break
    case "reset":
      out.uint(p["reason"], 2).uint(p["final"], 6).uint(p["begun"], 6)
      break
    case "stop":
      out.uint(p["reason"], 2)
      break
    case "status":
      out.uint(p["state"], 1).uint(p["cumulative"], 6).uint(p["received"].length, 1).uint(p["missing"].length, 1)
      ranges(p["cumulative"], p["received"])
      ranges(p["cumulative"], p["missing"])
      break
    case "sync":
      delivery().uint(p["low"], 6).uint(p["high"], 6).uint(p["begun"], 6).uint(p["gone"].length, 1)
      ranges(p["low"], p["gone"])
      break
    case "feedback": {
      out
        .uint(p["counter"], 6)
        .uint(p["holdUs"], 4)
        .uint(p["datagrams"], 6)
        .uint(p["congestion"], 6)
        .uint(p["ect0"], 6)
        .uint(p["proof"], 4)
        .uint(p["reach"], 2)
      let above = p["counter"] + 1
      for (const { from, to } of p["missing"]) {
        short(above - to)
        short(to - from - 1)
        above = from
      }
      break
    }
    case "goodbye":
    case "refuse":
      out.uint(p["reason"], 2).list.push(...new TextEncoder().encode(p["text"]))
      break
    case "path-challenge":
    case "path-response":
      out.hex(p["data"])
      break
    case "rate":
      out.uint(p["number"], 4).uint(p["bytesPerSecond"], 6)
      break
    case "mtu-probe":
      out.uint(p["probe"], 4).uint(p["size"], 2).zeros(p["paddingBytes"])
      break
    case "join":
      address()
      out
        .uint(p["versionMin"], 1)
        .uint(p["versionMax"], 1)
        .uint(p["slot"], 4)
        .hex(p["unique"] + p["session"] + p["receiverUnique"])
      limits(p["limits"])
      out
        .uint(p["slotInUse"], 4)
        .uint(p["order"], 4)
        .uint(p["token"].length / 2, 1)
        .hex(p["token"])
        .uint(p["exchange"].length / 2, 2)
        .hex(p["exchange"])
        .zeros(p["paddingBytes"])
      break
    case "challenge":
      out
        .hex(p["unique"])
        .uint(p["token"].length / 2, 1)
        .hex(p["token"])
      break
    case "accept":
      address()
      out
        .uint(p["version"], 1)
        .uint(p["slot"], 4)
        .hex(p["unique"] + p["session"])
      limits(p["limits"])
      out
        .uint(p["features"], 4)
        .uint(p["exchange"].length / 2, 2)
        .hex(p["exchange"])
        .zeros(p["paddingBytes"])
      break
    case "hint":
      out.uint(p["slot"], 4).uint(p["counter"], 6)
      break
    case "loose":
      out
        .hex(p["receiverUnique"] + p["unique"])
        .uint(p["type"], 2)
        .hex(p["bytes"])
      break
  }
  return out.list
}
