import { createSocket, type Socket } from "node:dgram"
import { EventEmitter } from "node:events"
import { type ByteStream, FramedLink } from "../frames.ts"
import { type Addon, type Kcp, loadKcp } from "../kcp-addon.ts"
import type { Library, LinkOptions } from "../link.ts"

const CONVERSATION = 1
const HEADER_BYTES = 24
/** Bytes of the window, which KCP counts in segments. */
const WINDOW_BYTES = 1 << 20
/** The system's socket buffer, for the datagrams of a window. */
const SOCKET_BYTES = 4 << 20
/** The most segments of one `send`: it refuses 128. */
const SEND_SEGMENTS_MAX = 64
/** The shortest interval that KCP accepts. */
const UPDATE_MS = 10

const windowOf = ({ datagramBytes }: LinkOptions): number => Math.max(32, Math.round(WINDOW_BYTES / datagramBytes))

/**
 * A stream of bytes: KCP fills its segments itself. Data written and acknowledgements made in a turn are sent at its
 * end, the rest by the clock.
 */
class KcpStream extends EventEmitter implements ByteStream {
  readonly #kcp: Kcp
  readonly #window: number
  readonly #sendBytes: number
  #isFull = false
  #isScheduled = false

  constructor({ KCP }: Addon, options: LinkOptions, socket: Socket, port: () => number) {
    super()
    this.#kcp = new KCP(CONVERSATION)
    this.#window = windowOf(options)
    this.#sendBytes = SEND_SEGMENTS_MAX * (options.datagramBytes - HEADER_BYTES)
    this.#kcp.nodelay(1, UPDATE_MS, 2, 1)
    this.#kcp.wndsize(this.#window, this.#window)
    this.#kcp.stream(1)
    if (this.#kcp.setmtu(options.datagramBytes) !== 0)
      throw new Error(`KCP takes no datagrams of ${options.datagramBytes} B`)
    this.#kcp.output((datagram) => socket.send(datagram, port(), options.other))
    socket.on("message", (datagram) => this.#receive(datagram))
    setInterval(this.#flush, UPDATE_MS)
  }

  write(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; at += this.#sendBytes) {
      const taken = this.#kcp.send(bytes.subarray(at, at + this.#sendBytes))
      if (taken < 0) throw new Error(`KCP didn't take a write: ${taken}`)
    }
    this.#schedule()
    // A writer that was told to wait is still waiting, whatever has been acknowledged since.
    this.#isFull ||= this.#kcp.waitsnd() >= 2 * this.#window
    return !this.#isFull
  }

  #receive(datagram: Buffer): void {
    this.#kcp.input(datagram)
    for (let data = this.#kcp.recv(); data !== undefined; data = this.#kcp.recv()) this.emit("data", data)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#isScheduled = false
    this.#kcp.update(Math.trunc(performance.now()))
    this.#kcp.flush()
    if (!this.#isFull || this.#kcp.waitsnd() >= this.#window) return
    this.#isFull = false
    this.emit("drain")
  }
}

/** KCP in C by `node-kcp`, over `node:dgram`. */
export function kcp(): Library {
  const addon = loadKcp()
  const bind = ({ own }: LinkOptions): Promise<Socket> =>
    new Promise((resolve) => {
      const buffers = { recvBufferSize: SOCKET_BYTES, sendBufferSize: SOCKET_BYTES }
      const socket = createSocket({
        type: "udp4",
        ...buffers,
        lookup: (address, _, callback) => callback(null, address, 4),
      })
      socket.bind(0, own, () => resolve(socket))
    })
  return {
    settings: (options) =>
      `nodelay(1, ${UPDATE_MS}, 2, 1), stream mode with length prefixes, datagrams of ${options.datagramBytes} B, windows of ${windowOf(options)} segments, flushed at the end of a turn`,
    async listen(options, onLink) {
      const socket = await bind(options)
      let port = 0
      socket.on("message", (_data, from) => (port = from.port))
      onLink(new FramedLink(new KcpStream(addon, options, socket, () => port), true))
      return socket.address().port
    },
    async connect(options, port) {
      return new FramedLink(new KcpStream(addon, options, await bind(options), () => port), true)
    },
  }
}
