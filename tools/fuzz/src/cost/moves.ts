/**
 * What a member says that wants others to work and to hold: packets in numbers, each a little further than the one
 * before. A move is data, so that a search can alter it, and a file can keep it.
 */
import * as wire from "@x/wire"

export const MOVES = [
  "open",
  "message",
  "first-piece",
  "middle-piece",
  "loose-first-piece",
  "abandoned",
  "part",
  "sync",
  "status",
  "end",
  "reset",
  "stop",
  "feedback",
  "heartbeat",
] as const
export type MoveKind = (typeof MOVES)[number]

export interface Move {
  readonly kind: MoveKind
  /** How many packets. */
  readonly count: number
  /** The stream of the first packet, and what is added for each of the next. */
  readonly stream: number
  readonly streamBy: number
  /** Number of the packet, or edge, or final number, or counter; of a sync, where its ranges begin. */
  readonly number: number
  readonly numberBy: number
  /** One of `MODE`, as a number. */
  readonly mode: number
  /** Bytes of a message, or of the whole of what a piece belongs to; from 2 on, of a label. */
  readonly bytes: number
  /** Ranges of a sync or status, and how far apart they begin. */
  readonly ranges: number
  readonly spacing: number
  /** Whether each packet has a datagram of its own. */
  readonly isAlone: boolean
}

const STILL: Move = {
  ...{ kind: "open", count: 1, stream: 1, streamBy: 0, number: 0, numberBy: 0, mode: wire.MODE.reliable },
  ...{ bytes: 1, ranges: 0, spacing: 2, isAlone: false },
}

/** A move of which only what matters is given. */
export function move(kind: MoveKind, given: Partial<Omit<Move, "kind">> = {}): Move {
  return { ...STILL, kind, ...given }
}

/** The most packets of a move, so that a search stays quick. */
export const COUNT_MAX = 2_048
/** Bytes of the packets of a datagram: what fits each path, less prefix and tag. */
const PACKETS_BYTES_MAX = 1_150
const PACKET_BYTES_MAX = 4_000
const LABEL_BYTES_MAX = 1_024
const { KIND, FORM } = wire
const PROFILE = wire.PROFILE.none

/** The datagrams of some moves, without tags, under a prefix that is to be replaced. At most `datagramsMax`. */
export function datagramsOf(moves: readonly Move[], datagramsMax: number): Uint8Array[] {
  const datagrams: Uint8Array[] = []
  const room = new Uint8Array(PACKETS_BYTES_MAX + PACKET_BYTES_MAX)
  const writer = new wire.PacketWriter(room)
  const start = wire.PREFIX_BYTES[PROFILE]!
  const close = (): void => {
    if (writer.end > start) datagrams.push(room.slice(0, writer.end))
    writer.start(start)
  }
  writer.start(start)
  let wasData = false
  for (const it of moves) {
    for (let i = 0; i < it.count && datagrams.length < datagramsMax; i++) {
      const isAlone = it.isAlone || it.kind === "part" || it.kind === "heartbeat"
      const isOther = isData(it) !== wasData
      const [stream, number] = [it.stream + i * it.streamBy, it.number + i * it.numberBy]
      if (isAlone || isOther || writer.end + bytesOf(it, stream, number) > PACKETS_BYTES_MAX) close()
      wasData = isData(it)
      write(writer, it, stream, number)
      if (isAlone) close()
    }
  }
  close()
  return datagrams.slice(0, datagramsMax)
}

const DATA: readonly MoveKind[] = ["message", "first-piece", "middle-piece", "loose-first-piece", "abandoned", "part"]

/** A datagram has either data or control packets. */
function isData({ kind }: Move): boolean {
  return DATA.includes(kind)
}

const scratch = new wire.PacketWriter(new Uint8Array(PACKETS_BYTES_MAX + PACKET_BYTES_MAX))

/** Bytes that its next packet adds, with a length before it. */
function bytesOf(it: Move, stream: number, number: number): number {
  scratch.start(0)
  write(scratch, it, stream, number)
  return scratch.end + wire.PACKET_OVERHEAD_BYTES_WITH_LENGTH - wire.PACKET_OVERHEAD_BYTES
}

function write(writer: wire.PacketWriter, it: Move, stream: number, number: number): void {
  const { view } = writer
  const mode = it.mode as wire.Mode
  const sequenced = (form: wire.Form): number =>
    wire.writeSequencedBody(view, writer.begin(KIND.sequenced), stream, number, wire.deliveryByte(mode, form))
  switch (it.kind) {
    case "open": {
      const metadata = new Uint8Array(it.bytes > 1 ? Math.min(it.bytes, LABEL_BYTES_MAX) : 0)
      const open = { stream, first: number, mode, priority: 1, metadata }
      return writer.finish(wire.writeOpen(view, writer.begin(KIND.open), open))
    }
    case "message": {
      const at = sequenced(FORM.whole)
      const bytes = Math.min(it.bytes, PACKETS_BYTES_MAX - 24)
      return writer.finish(wire.writeWholeHeader(view, at, 1, bytes) + bytes)
    }
    case "first-piece":
      return writer.finish(wire.writeFirstHeader(view, sequenced(FORM.first), 1, number, it.bytes) + 1)
    case "middle-piece":
      return writer.finish(wire.writeMiddleHeader(view, sequenced(FORM.middle), 0, it.bytes, 1) + 1)
    case "loose-first-piece": {
      const body = wire.writeFireAndForgetBody(view, writer.begin(KIND.fireAndForget), stream, FORM.first)
      return writer.finish(wire.writeFirstHeader(view, body, 1, number, it.bytes) + 1)
    }
    case "abandoned":
      return writer.finish(wire.writeAbandoned(view, sequenced(FORM.abandoned), number))
    case "part": {
      const delivery = wire.deliveryByte(mode, FORM.whole)
      const total = Math.max(2, Math.min(it.bytes, 0xffff))
      const offset = Math.min(it.spacing, total - 1)
      return writer.finish(
        wire.writePartBody(view, writer.begin(KIND.part), stream, number, delivery, offset, total) + 1,
      )
    }
    case "sync": {
      const sync = wire.createSync()
      const high = Math.max(it.number + it.bytes, number + 1 + it.ranges * it.spacing)
      Object.assign(sync, { stream, mode, low: it.number, high })
      fill(sync.gone, number + 1, it)
      for (let i = 0; i < it.ranges; i++) sync.gone.begun[i] = 0
      return writer.finish(wire.writeSync(view, writer.begin(KIND.sync | wire.FLAG_WANTED), sync))
    }
    case "status": {
      const status = wire.createStatus()
      Object.assign(status, { stream, cumulative: number })
      fill(it.bytes % 2 === 0 ? status.received : status.missing, number + 1, it)
      return writer.finish(wire.writeStatus(view, writer.begin(KIND.status), status))
    }
    case "end":
      return writer.finish(wire.writeEnd(view, writer.begin(KIND.end), { stream, final: number, begun: 0 }))
    case "reset":
      return writer.finish(
        wire.writeReset(view, writer.begin(KIND.reset), { stream, reason: 9, final: number, begun: 0 }),
      )
    case "stop":
      return writer.finish(wire.writeStop(view, writer.begin(KIND.stop), { stream, reason: 9 }))
    case "feedback": {
      const feedback = { ...wire.createFeedback(), counter: Math.max(1, number), datagrams: it.bytes }
      return writer.finish(wire.writeFeedback(view, writer.begin(KIND.feedback), feedback))
    }
    case "heartbeat":
      return void writer.begin(KIND.heartbeat | wire.FLAG_WANTED)
  }
}

function fill(list: wire.RangeList, from: number, { ranges, spacing }: Move): void {
  list.count = Math.min(ranges, wire.RANGES_MAX)
  for (let i = 0; i < list.count; i++) {
    list.edges[2 * i] = from + i * spacing
    list.edges[2 * i + 1] = from + i * spacing + 1
  }
}
