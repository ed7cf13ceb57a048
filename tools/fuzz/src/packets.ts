/** Well-formed datagrams of every kind, written by @x/wire from random fields. */
import type { Random } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { between, bytes, identity, number, pick, u16, u32 } from "@x/testkit"
import { reseal, ZERO_SEED } from "./seal.ts"

const { KIND, FORM, MODE } = wire

const DATA = [KIND.sequenced, KIND.sequenced, KIND.sequenced, KIND.fireAndForget]
const CONTROL = [
  KIND.open,
  KIND.end,
  KIND.reset,
  KIND.stop,
  KIND.status,
  KIND.sync,
  KIND.feedback,
  KIND.goodbye,
  KIND.rate,
]
const PATH = [KIND.pathChallenge, KIND.pathResponse]
const ALONE = [KIND.part, KIND.mtuProbe, KIND.heartbeat]
const HANDSHAKE = [KIND.join, KIND.challenge, KIND.accept, KIND.refuse, KIND.hint, KIND.loose]

/** Kinds that may be the packets of one datagram, in order. */
function drawKinds(random: Random): number[] {
  const which = random.below(16)
  if (which < 6) return Array.from({ length: 1 + random.below(3) }, () => pick(random, DATA))
  if (which < 11) {
    const kinds = Array.from({ length: 1 + random.below(4) }, () =>
      random.below(8) === 0 ? pick(random, PATH) : pick(random, CONTROL),
    )
    // A heartbeat has no body: it can only be the last.
    return random.below(4) === 0 ? [...kinds, KIND.heartbeat] : kinds
  }
  return [which < 13 ? pick(random, ALONE) : pick(random, HANDSHAKE)]
}

export function makeDatagram(
  random: Random,
  profile: wire.Profile,
  kinds: readonly number[] = drawKinds(random),
): Uint8Array {
  const room = new Uint8Array(8_192)
  const writer = new wire.PacketWriter(room)
  const first = kinds[0]!
  const isHandshake = wire.classOf(first) === wire.CLASS.handshake
  const isUnasked = first === KIND.hint || first === KIND.loose
  const slot = isUnasked || first === KIND.join ? 0 : 1 + random.below(0xffff_ffff)
  const counter = isUnasked ? 0 : Math.max(1, number(random))
  wire.writePrefix(
    writer.view,
    0,
    profile,
    isHandshake,
    slot,
    counter,
    profile < wire.PROFILE.mac ? 0 : random.below(256),
    isHandshake ? 0 : random.below(2),
  )
  writer.start(wire.PREFIX_BYTES[profile]!)
  for (const kind of kinds) writePacket(random, writer, kind, profile)
  const datagram = room.slice(0, writer.end + wire.TAG_BYTES[profile]!)
  reseal(datagram, profile, ZERO_SEED)
  return datagram
}

function writePacket(random: Random, writer: wire.PacketWriter, kind: number, profile: wire.Profile): void {
  const { view } = writer
  const stream = random.below(6) === 0 ? Math.max(1, u32(random)) : 1 + random.below(8)
  const wanted = random.below(2) === 0 ? wire.FLAG_WANTED : 0
  const end = ((): number => {
    switch (kind) {
      case KIND.sequenced: {
        const mode = pick(random, [MODE.reliable, MODE["reliable-unordered"], MODE["best-effort"], MODE.latest])
        const form = drawForm(random)
        const body = writer.begin(kind | wanted)
        return writePayload(
          random,
          view,
          wire.writeSequencedBody(view, body, stream, number(random), wire.deliveryByte(mode, form)),
          form,
        )
      }
      case KIND.fireAndForget: {
        // A mode without resends doesn't abandon half-sent messages either.
        const form = pick(random, [FORM.whole, FORM.whole, FORM.first, FORM.middle, FORM.last])
        return writePayload(random, view, wire.writeFireAndForgetBody(view, writer.begin(kind), stream, form), form)
      }
      case KIND.part: {
        const length = 1 + random.below(200)
        const offset = random.below(1_000)
        const total = Math.min(0xffff, offset + length + (offset === 0 ? 1 : 0) + random.below(1_000))
        const delivery = wire.deliveryByte(MODE.reliable, drawForm(random))
        return fill(
          random,
          view,
          wire.writePartBody(view, writer.begin(kind), stream, number(random), delivery, offset, total),
          length,
        )
      }
      case KIND.open: {
        const mode = pick(random, Object.values(MODE))
        const first = mode === MODE["fire-and-forget"] ? 0 : random.below(3) === 0 ? number(random) : 0
        const metadata = bytes(random, pick(random, [0, 0, 5, 200]))
        return wire.writeOpen(view, writer.begin(kind), { stream, first, mode, priority: random.below(256), metadata })
      }
      case KIND.end:
        return wire.writeEnd(view, writer.begin(kind), { stream, final: number(random), begun: number(random) })
      case KIND.reset:
        return wire.writeReset(view, writer.begin(kind), {
          stream,
          reason: u16(random),
          final: number(random),
          begun: number(random),
        })
      case KIND.stop:
        return wire.writeStop(view, writer.begin(kind), { stream, reason: u16(random) })
      case KIND.status:
        return wire.writeStatus(view, writer.begin(kind), drawStatus(random, stream))
      case KIND.sync:
        return wire.writeSync(view, writer.begin(kind | wanted), drawSync(random, stream))
      case KIND.feedback:
        return wire.writeFeedback(view, writer.begin(kind), drawFeedback(random))
      case KIND.heartbeat:
        return writer.begin(kind | wanted)
      case KIND.goodbye:
        return wire.writeReasonText(view, writer.begin(kind | wanted), drawReason(random))
      case KIND.refuse:
        return wire.writeReasonText(view, writer.begin(kind), drawReason(random))
      case KIND.pathChallenge:
      case KIND.pathResponse:
        return wire.writePathData(view, writer.begin(kind), bytes(random, wire.PATH_CHALLENGE_BYTES))
      case KIND.rate:
        return wire.writeRate(view, writer.begin(kind | wanted), {
          number: u32(random),
          bytesPerSecond: number(random),
        })
      case KIND.mtuProbe: {
        const body = writer.begin(kind | wanted)
        const bodyEnd = body + wire.MTU_PROBE_HEADER_BYTES + (wanted === 0 ? 0 : random.below(1_000))
        const size = wanted === 0 ? u16(random) : bodyEnd + wire.TAG_BYTES[profile]!
        return wire.writeMtuProbe(view, body, { probe: u32(random), size }, bodyEnd)
      }
      case KIND.join: {
        const address = drawAddress(random)
        const token = bytes(random, pick(random, [0, 0, 40, 64]))
        const join: wire.Join = {
          address,
          ...{ versionMin: 0, versionMax: random.below(3), slot: Math.max(1, u32(random)), unique: identity(random) },
          session: token.length > 0 ? identity(random) : new Uint8Array(8),
          receiverUnique: random.below(2) === 0 ? new Uint8Array(8) : identity(random),
          ...{
            limits: drawLimits(random),
            slotInUse: u32(random),
            order: u32(random),
            token,
            exchange: drawExchange(random, profile, wire.EXCHANGE_BYTES.join),
          },
        }
        const body = writer.begin(kind | (wire.addressForm(address) << wire.ADDRESS_FORM_SHIFT))
        return wire.writeJoin(view, body, join, pick(random, [body + 300, 548, 1_196]))
      }
      case KIND.challenge:
        return wire.writeChallenge(view, writer.begin(kind), {
          unique: identity(random),
          token: bytes(random, 1 + random.below(64)),
        })
      case KIND.accept: {
        const address = drawAddress(random)
        const accept: wire.Accept = {
          address,
          ...{ version: 0, slot: Math.max(1, u32(random)), unique: identity(random), session: identity(random) },
          ...{
            limits: drawLimits(random),
            features: u32(random),
            exchange: drawExchange(random, profile, wire.EXCHANGE_BYTES.accept),
          },
        }
        const body = writer.begin(kind | (wire.addressForm(address) << wire.ADDRESS_FORM_SHIFT))
        return wire.writeAccept(view, body, accept, pick(random, [body + 200, 548, 1_196]))
      }
      case KIND.hint:
        return wire.writeHint(view, writer.begin(kind), {
          slot: Math.max(1, u32(random)),
          counter: Math.max(1, number(random)),
        })
      default: {
        const loose = {
          receiverUnique: identity(random),
          unique: identity(random),
          type: u16(random),
          bytes: bytes(random, random.below(60)),
        }
        return wire.writeLoose(view, writer.begin(kind), loose)
      }
    }
  })()
  writer.finish(end)
}

function drawForm(random: Random): wire.Form {
  return pick(random, [FORM.whole, FORM.whole, FORM.first, FORM.middle, FORM.last, FORM.abandoned])
}

function fill(random: Random, view: DataView, at: number, length: number): number {
  random.fill(new Uint8Array(view.buffer, view.byteOffset + at, length))
  return at + length
}

/** Totals are often hostile: as large as the field allows. */
function writePayload(random: Random, view: DataView, at: number, form: wire.Form): number {
  if (form === FORM.whole) {
    for (let count = 1 + random.below(3); count > 0; count--) {
      const length = pick(random, [0, 1, 127, 128, 300])
      at = fill(random, view, wire.writeWholeHeader(view, at, random.below(3), length), length)
    }
    return at
  }
  const message = random.below(3) === 0 ? number(random) : random.below(6)
  if (form === FORM.abandoned) return wire.writeAbandoned(view, at, message)
  const length = 1 + random.below(300)
  const offset = 1 + (random.below(3) === 0 ? random.below(1_000_000) : random.below(1_000))
  const total = Math.max(offset + length + 1, pick(random, [1_000, 5_000, 60_000, 16_777_216, 0xffff_ffff]))
  if (form === FORM.first)
    return fill(random, view, wire.writeFirstHeader(view, at, random.below(3), message, total), length)
  if (form === FORM.middle) return fill(random, view, wire.writeMiddleHeader(view, at, message, total, offset), length)
  return fill(random, view, wire.writeLastHeader(view, at, message, total), length)
}

/** Ranges that rise from `from` and stay below `most`. */
function drawRanges(random: Random, list: wire.RangeList, from: number, most: number): void {
  let at = from
  list.count = 0
  for (let count = random.below(random.below(8) === 0 ? wire.RANGES_MAX + 1 : 5); count > 0; count--) {
    const start = at + 1 + random.below(10)
    const end = start + 1 + random.below(10)
    if (end > most) return
    list.edges[2 * list.count] = start
    list.edges[2 * list.count + 1] = end
    list.count++
    at = end
  }
}

function drawFeedback(random: Random): wire.Feedback {
  const counter = Math.max(1, number(random))
  const reach = random.below(Math.min(65_536, counter))
  const missing = wire.createRangeList()
  let above = counter + 1
  for (let left = pick(random, [0, 0, 1, 3, 64]); left > 0; left--) {
    const to = above - 1 - random.below(4)
    const from = to - 1 - random.below(pick(random, [1, 300]))
    if (from < counter - reach) break
    missing.edges[2 * missing.count] = from
    missing.edges[2 * missing.count++ + 1] = to
    above = from
  }
  const totals = { datagrams: number(random), congestion: number(random), ect0: number(random) }
  return { counter, holdUs: u32(random), ...totals, proof: u32(random), reach, missing }
}

function drawStatus(random: Random, stream: number): wire.Status {
  const status = wire.createStatus()
  status.stream = stream
  status.state = random.below(16)
  if ((status.state & wire.STATUS.startUnknown) !== 0) {
    status.state &= ~wire.STATUS.ahead
    return status
  }
  status.cumulative = number(random)
  // A packet is in one list or the other: a received one isn't missing.
  const most = Math.min(wire.NUMBER_MAX, status.cumulative + 2_000)
  drawRanges(random, random.below(2) === 0 ? status.received : status.missing, status.cumulative, most)
  if ((status.state & wire.STATUS.noRoom) === 0 || status.missing.count === 0) status.state &= ~wire.STATUS.ahead
  return status
}

function drawSync(random: Random, stream: number): wire.Sync {
  const sync = wire.createSync()
  sync.stream = stream
  sync.mode = pick(random, [MODE.reliable, MODE["reliable-unordered"], MODE["best-effort"], MODE.latest])
  sync.low = number(random)
  sync.high = Math.min(wire.NUMBER_MAX, sync.low + random.below(300))
  sync.begun = random.below(50)
  drawRanges(random, sync.gone, sync.low, sync.high)
  for (let i = 0; i < sync.gone.count; i++) sync.gone.begun[i] = sync.begun + i
  return sync
}

function drawReason(random: Random): wire.ReasonText {
  return { reason: u16(random), text: pick(random, ["", "enough", "é".repeat(128)]) }
}

function drawAddress(random: Random): wire.ReplyAddress | undefined {
  const length = pick(random, [0, 0, 4, 16])
  return length === 0 ? undefined : { bytes: bytes(random, length), port: 1 + random.below(65_535) }
}

/** The exchange between static keys: empty in profiles without keys, optional in the others. */
function drawExchange(random: Random, profile: wire.Profile, length: number): Uint8Array {
  return profile < wire.PROFILE.mac || random.below(2) === 0 ? new Uint8Array(0) : bytes(random, length)
}

function drawLimits(random: Random): wire.Limits {
  return {
    datagramBytes: between(random, wire.DATAGRAM_BYTES_FLOOR, wire.DATAGRAM_BYTES_MAX),
    inFlight: between(random, wire.IN_FLIGHT_MIN, wire.IN_FLIGHT_MAX),
    spread: 2 ** (6 + random.below(11)),
    streams: u32(random),
    messageBytes: u32(random),
    statusDelayMs: between(random, 1, wire.STATUS_DELAY_MS_MAX),
  }
}

/** All kinds. */
export const EVERY_KIND: readonly number[] = Object.values(KIND)
