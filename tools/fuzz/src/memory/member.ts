/**
 * A member over real sockets whose datagrams are forged: a usual endpoint joins through a relay that hears everything,
 * and then is cut off. The peer sees one member that goes on.
 */
import { createSocket, type Socket } from "node:dgram"
import { Endpoint } from "@x/endpoint"
import * as wire from "@x/wire"
import { datagramsOf, type Move } from "../cost/moves.ts"
import { Eavesdropper } from "../eavesdropper.ts"
import { readdress } from "../seal.ts"

const { checksum, none } = wire.PROFILE
const HEARTBEAT_MS = 1_000
/** Datagrams that are sent at once, and the pause after them. */
const BATCH = 16
const PAUSE_MS = 2
/** The peer may be busy. */
const JOIN_MS = 30_000

/** One that asks for nothing. */
const HEARTBEAT = heartbeat()

function heartbeat(): Uint8Array {
  const bytes = new Uint8Array(64)
  const writer = new wire.PacketWriter(bytes)
  writer.start(wire.PREFIX_BYTES[none]!)
  writer.begin(wire.KIND.heartbeat)
  return bytes.slice(0, writer.end)
}

export const sleep = async (ms: number): Promise<void> => new Promise((done) => void setTimeout(done, ms))

export interface JoinOptions {
  /** The address that it has. */
  readonly from?: string
  /** Whether the peer hears that its accept came. */
  readonly isConfirmed?: boolean
}

export class Member {
  readonly #relay: Socket
  readonly #port: number
  readonly #ear: Eavesdropper
  #counter = 0
  #sent = 0

  private constructor(relay: Socket, port: number, ear: Eavesdropper) {
    this.#relay = relay
    this.#port = port
    this.#ear = ear
  }

  static async join(port: number, { from = "127.0.0.1", isConfirmed = true }: JoinOptions = {}): Promise<Member> {
    const relay = createSocket("udp4")
    await new Promise<void>((done) => void relay.bind(0, from, done))
    const ear = new Eavesdropper(checksum)
    const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false, protection: "checksum" })
    let isGone = false
    relay.on("message", (bytes, { port: source }) => {
      if (isGone) return
      const isFromPeer = source === port
      ear.hear({ from: isFromPeer ? "peer" : "member", to: isFromPeer ? "member" : "peer", bytes })
      const isHandshake = wire.prefixHandshake(new DataView(bytes.buffer, bytes.byteOffset), 0)
      if (isFromPeer || isHandshake || isConfirmed) relay.send(bytes, isFromPeer ? endpoint.port : port)
    })
    const peer = await endpoint.join(`${from}:${relay.address().port}`, { timeoutMs: JOIN_MS })
    if (isConfirmed) for (let i = 0; i < 3; i++) await peer.ping()
    isGone = true
    void endpoint.close()
    const member = new Member(relay, port, ear)
    if (isConfirmed) setInterval(() => member.#send(HEARTBEAT), HEARTBEAT_MS)
    return member
  }

  /** Says all of it, as fast as a peer takes it. */
  async pour(moves: readonly Move[]): Promise<void> {
    for (const datagram of datagramsOf(moves, Infinity)) {
      this.#send(datagram)
      if (++this.#sent % BATCH === 0) await sleep(PAUSE_MS)
    }
  }

  #send(datagram: Uint8Array): void {
    const { slot, seed } = this.#ear.wayTo("peer")!
    this.#counter = Math.max(this.#counter, this.#ear.counterTo("peer")) + 1
    const sealed = readdress(datagram, none, checksum, { handshake: false, slot, counter: this.#counter, seed })
    this.#relay.send(sealed, this.#port, "127.0.0.1")
  }
}

/** A usual endpoint that has joined through a relay: no packet with the number 0 comes to it. */
export async function withoutFirst(port: number): Promise<Endpoint> {
  const relay = createSocket("udp4")
  await new Promise<void>((done) => void relay.bind(0, "127.0.0.1", done))
  const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false, protection: "checksum" })
  endpoint.handle(1, () => {})
  relay.on("message", (bytes, { port: source }) => {
    if (source !== port) relay.send(bytes, port)
    else if (!hasFirst(bytes)) relay.send(bytes, endpoint.port)
  })
  await endpoint.join(`127.0.0.1:${relay.address().port}`)
  return endpoint
}

function hasFirst(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (wire.prefixHandshake(view, 0)) return false
  const cursor = new wire.PacketCursor()
  cursor.start(view, 0, bytes.length, checksum)
  while (cursor.next())
    if (cursor.kind === wire.KIND.sequenced && wire.readPacketNumber(view, cursor.body) === 0) return true
  return false
}
