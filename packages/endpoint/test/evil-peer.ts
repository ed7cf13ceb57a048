/**
 * A peer that joins correctly and then sends whatever a test wants: well-formed packets that no honest peer would send.
 * It uses profile `none`, so that only the meaning of a packet can be refused.
 */
import type { Address, ReceiveBatch, SendBatch, Transport } from "@x/transport/host"
import { createSendBatch } from "@x/transport/host"
import type { Network } from "@x/transport/simulated"
import * as wire from "@x/wire"

const PROFILE = wire.PROFILE.none
const DATAGRAM_BYTES = 1_200

export class EvilPeer {
  /** Received datagrams, described. */
  readonly received: wire.DatagramDescription[] = []
  readonly unique = Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9)
  session = Uint8Array.of(8, 8, 8, 8, 8, 8, 8, 8)
  readonly limits: wire.Limits = {
    datagramBytes: 1_200,
    inFlight: 1_024,
    spread: 1_024,
    streams: 1_000,
    messageBytes: 1_000_000,
    statusDelayMs: 25,
  }
  /** The slot of the other side, once joined. */
  slot = 0
  counter = 1
  readonly #network: Network
  readonly #transport: Transport
  readonly #target: number
  readonly #bytes = new Uint8Array(65_536)
  readonly #writer = new wire.PacketWriter(this.#bytes)
  readonly #batch: SendBatch = createSendBatch(1)

  static async bind(network: Network, name: string, target: Address, port = 6_666): Promise<EvilPeer> {
    return new EvilPeer(network, await network.until(network.host(name).bind({ port })), target)
  }

  private constructor(network: Network, transport: Transport, target: Address) {
    this.#network = network
    this.#transport = transport
    this.#target = transport.internAddress(target)
    this.#batch.slab[0] = transport.registerSlab(this.#bytes)
    transport.onReceive((batch) => this.#receive(batch))
  }

  /** Received packets of one kind. */
  packets(kind: string): wire.PacketDescription[] {
    return this.received.flatMap(({ packets }) => packets).filter((packet) => packet.kind === kind)
  }

  /** Sends a datagram of the association. */
  send(...packets: readonly ((writer: wire.PacketWriter) => void)[]): void {
    this.raw({ slot: this.slot, counter: this.counter++ }, ...packets)
  }

  raw(
    { slot, counter, handshake = false }: { slot: number; counter: number; handshake?: boolean },
    ...packets: readonly ((writer: wire.PacketWriter) => void)[]
  ): void {
    wire.writePrefix(this.#writer.view, 0, PROFILE, handshake, slot, counter)
    this.#writer.start(wire.PREFIX_BYTES[PROFILE]!)
    for (const packet of packets) packet(this.#writer)
    this.#batch.count = 1
    this.#batch.address[0] = this.#target
    this.#batch.length[0] = this.#writer.end
    this.#transport.send(this.#batch)
  }

  /** Sends a join with this token, or none. */
  sendJoin(attempt: number, token: string, changes: Partial<wire.Join> = {}): void {
    const join: wire.Join = {
      address: undefined,
      versionMin: 0,
      versionMax: 0,
      slot: 77,
      unique: this.unique,
      session: token === "" ? new Uint8Array(8) : this.session,
      receiverUnique: new Uint8Array(8),
      limits: this.limits,
      slotInUse: 0,
      order: 0,
      token: Uint8Array.from(Buffer.from(token, "hex")),
      exchange: new Uint8Array(0),
      ...changes,
    }
    this.raw({ slot: 0, counter: attempt, handshake: true }, (writer) =>
      writer.finish(wire.writeJoin(writer.view, writer.begin(wire.KIND.join), join, DATAGRAM_BYTES)),
    )
  }

  /** Joins like an honest peer. */
  async join(): Promise<void> {
    this.sendJoin(1, "")
    await this.#network.when(() => this.packets("challenge").length > 0)
    const token = this.packets("challenge").at(-1)!["token"] as string
    const isAccepted = (): boolean => this.packets("accept").length > 0
    for (let attempt = 2; !isAccepted(); attempt++) {
      if (attempt > 20) throw new Error("the join was never accepted")
      this.sendJoin(attempt, token)
      for (let ms = 0; ms < 100 && !isAccepted(); ms++) await this.#network.advance(1)
    }
    this.slot = this.packets("accept").at(-1)!["slot"] as number
    this.send(heartbeat)
    await this.#network.advance(50)
    this.received.length = 0
  }

  #receive(batch: ReceiveBatch): void {
    for (let row = 0; row < batch.count; row++) {
      const bytes = batch.slabs[batch.slab[row]!]!.slice(batch.offset[row], batch.offset[row]! + batch.length[row]!)
      this.received.push(wire.describeDatagram(new DataView(bytes.buffer), 0, bytes.length, PROFILE))
    }
  }
}

export type Packet = (writer: wire.PacketWriter) => void

export const heartbeat: Packet = (writer) => void writer.begin(wire.KIND.heartbeat)

/** A heartbeat that is answered. */
export const question: Packet = (writer) => void writer.begin(wire.KIND.heartbeat | wire.FLAG_WANTED)

export function open(
  stream: number,
  { mode = wire.MODE.reliable, first = 0 }: { mode?: wire.Mode; first?: number } = {},
): Packet {
  return (writer) =>
    writer.finish(
      wire.writeOpen(writer.view, writer.begin(wire.KIND.open), {
        stream,
        first,
        mode,
        priority: 1,
        metadata: new Uint8Array(0),
      }),
    )
}

export function end(stream: number, final: number): Packet {
  return (writer) => writer.finish(wire.writeEnd(writer.view, writer.begin(wire.KIND.end), { stream, final, begun: 0 }))
}

export function reset(stream: number): Packet {
  return (writer) =>
    writer.finish(
      wire.writeReset(writer.view, writer.begin(wire.KIND.reset), { stream, reason: 9, final: 0, begun: 0 }),
    )
}

export function stop(stream: number): Packet {
  return (writer) => writer.finish(wire.writeStop(writer.view, writer.begin(wire.KIND.stop), { stream, reason: 9 }))
}

/** A whole message of one byte. */
export function message(stream: number, number: number, mode: wire.Mode = wire.MODE.reliable): Packet {
  return (writer) => {
    const payload = wire.writeSequencedBody(
      writer.view,
      writer.begin(wire.KIND.sequenced),
      stream,
      number,
      wire.deliveryByte(mode, wire.FORM.whole),
    )
    const at = wire.writeWholeHeader(writer.view, payload, 1, 1)
    writer.view.setUint8(at, number)
    writer.finish(at + 1)
  }
}

/** A piece of a large message, of `bytes` zeros; in mode `reliable` by default. */
export function piece(
  stream: number,
  number: number,
  it: { form: number; message: number; total: number; offset?: number; bytes: number; mode?: wire.Mode },
): Packet {
  return (writer) => {
    const { view } = writer
    const payload = wire.writeSequencedBody(
      view,
      writer.begin(wire.KIND.sequenced),
      stream,
      number,
      wire.deliveryByte(it.mode ?? wire.MODE.reliable, it.form),
    )
    const at =
      it.form === wire.FORM.first
        ? wire.writeFirstHeader(view, payload, 1, it.message, it.total)
        : it.form === wire.FORM.middle
          ? wire.writeMiddleHeader(view, payload, it.message, it.total, it.offset ?? 1)
          : wire.writeLastHeader(view, payload, it.message, it.total)
    writer.finish(at + it.bytes)
  }
}

export function status(
  stream: number,
  changes: { state?: number; cumulative?: number; missing?: readonly (readonly [number, number])[] } = {},
): Packet {
  return (writer) => {
    const it = wire.createStatus()
    it.stream = stream
    it.state = changes.state ?? 0
    it.cumulative = changes.cumulative ?? 0
    for (const [i, [from, to]] of (changes.missing ?? []).entries()) {
      it.missing.edges[2 * i] = from
      it.missing.edges[2 * i + 1] = to
      it.missing.count++
    }
    writer.finish(wire.writeStatus(writer.view, writer.begin(wire.KIND.status), it))
  }
}

/** Feedback of what came without a gap, as far as the fields don't say otherwise. */
export function feedback(counter: number, changes: Partial<wire.Feedback> = {}): Packet {
  return (writer) => {
    const it = { ...wire.createFeedback(), counter, datagrams: counter, ...changes }
    writer.finish(wire.writeFeedback(writer.view, writer.begin(wire.KIND.feedback), it))
  }
}

export function sync(stream: number, low: number, high: number): Packet {
  return (writer) => {
    const it = wire.createSync()
    Object.assign(it, { stream, low, high })
    writer.finish(wire.writeSync(writer.view, writer.begin(wire.KIND.sync | wire.FLAG_WANTED), it))
  }
}
