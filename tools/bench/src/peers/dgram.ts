import { createSocket, type Socket } from "node:dgram"
import type { Library, Link, MessageHandler } from "../link.ts"

const WINDOW = 512
const ACK_EVERY = 64
/** Every message is longer than this. */
const ACK_BYTES = 4

/**
 * Raw `node:dgram`, a datagram for each message, with just enough flow control to keep the receiver's buffer from
 * overflowing, and nothing else.
 */
class DatagramLink implements Link {
  readonly #socket: Socket
  readonly #address: string
  readonly #port: () => number
  #handler: MessageHandler = () => {}
  #writable: () => void = () => {}
  #sent = 0
  #acknowledged = 0
  #received = 0
  #isFull = false

  constructor(socket: Socket, address: string, port: () => number) {
    this.#socket = socket
    this.#address = address
    this.#port = port
    socket.on("message", (data) => this.#receive(data))
  }

  send(bytes: Uint8Array): boolean {
    this.#socket.send(Buffer.from(bytes), this.#port(), this.#address)
    this.#sent++
    this.#isFull = this.#sent - this.#acknowledged >= WINDOW
    return !this.#isFull
  }

  onMessage(handler: MessageHandler): void {
    this.#handler = handler
  }

  onWritable(writable: () => void): void {
    this.#writable = writable
  }

  #receive(data: Buffer): void {
    const view = new DataView(data.buffer, data.byteOffset, data.length)
    if (data.length === ACK_BYTES) {
      this.#acknowledged = view.getUint32(0, true)
      if (!this.#isFull) return
      this.#isFull = false
      return this.#writable()
    }
    this.#handler(view, 0, data.length)
    if (++this.#received % ACK_EVERY > 0) return
    const ack = Buffer.allocUnsafe(ACK_BYTES)
    ack.writeUInt32LE(this.#received)
    this.#socket.send(ack, this.#port(), this.#address)
  }
}

export function dgram(): Library {
  const bind = (address: string): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = createSocket({
        type: "udp4",
        recvBufferSize: 4 << 20,
        lookup: (address, _, callback) => callback(null, address, 4),
      })
      socket.bind(0, address, () => resolve(socket))
    })
  return {
    settings: () =>
      `a datagram for each message, window ${WINDOW}, an acknowledgement for every ${ACK_EVERY}; nothing else is done`,
    async listen({ own, other }, onLink) {
      const socket = await bind(own)
      let port = 0
      socket.on("message", (_data, from) => (port = from.port))
      onLink(new DatagramLink(socket, other, () => port))
      return socket.address().port
    },
    async connect({ own, other }, port) {
      return new DatagramLink(await bind(own), other, () => port)
    },
  }
}
