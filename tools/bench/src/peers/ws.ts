import { WebSocket, WebSocketServer } from "ws"
import { LARGE_BYTES, type Library, type Link, type MessageHandler } from "../link.ts"

const BUFFERED_BYTES_MAX = 1_048_576
const OPTIONS = { perMessageDeflate: false, skipUTF8Validation: true }

/** Binary messages as the library sends them, with one write each. */
class WebSocketLink implements Link {
  readonly #socket: WebSocket
  #writable: () => void = () => {}

  constructor(socket: WebSocket) {
    this.#socket = socket
  }

  send(bytes: Uint8Array): boolean {
    const own = bytes.length >= LARGE_BYTES ? bytes : Buffer.from(bytes)
    if (this.#socket.bufferedAmount + own.length < BUFFERED_BYTES_MAX) {
      this.#socket.send(own)
      return true
    }
    this.#socket.send(own, () => this.#writable())
    return false
  }

  onMessage(handler: MessageHandler): void {
    this.#socket.on("message", (data: Buffer) =>
      handler(new DataView(data.buffer, data.byteOffset, data.length), 0, data.length),
    )
  }

  onWritable(writable: () => void): void {
    this.#writable = writable
  }
}

/** WebSocket; the connecting side masks its messages, as the protocol requires. */
export function ws(): Library {
  return {
    settings: () => "binary messages, no deflate, a write for each message, up to 1 MiB buffered",
    listen: ({ own }, onLink) =>
      new Promise((resolve) => {
        const server = new WebSocketServer({ ...OPTIONS, host: own, port: 0 })
        server.on("connection", (socket: WebSocket) => onLink(new WebSocketLink(socket)))
        server.once("listening", () => resolve(server.address().port))
      }),
    connect: ({ other }, port) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://${other}:${port}`, OPTIONS)
        socket.once("open", () => resolve(new WebSocketLink(socket)))
      }),
  }
}
