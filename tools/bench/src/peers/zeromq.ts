import { Dealer } from "zeromq"
import { LARGE_BYTES, type Library, type Link, type LinkOptions, type MessageHandler } from "../link.ts"

/** Messages that wait on each side: only a few large ones, since they hold the sender's memory until they are sent. */
const highWaterMark = ({ messageBytes }: LinkOptions): number => (messageBytes >= LARGE_BYTES ? 4 : 10_000)

class ZeroLink implements Link {
  readonly #socket: Dealer
  #handler: MessageHandler = () => {}
  #writable: () => void = () => {}
  /** Messages that found the socket full: it then takes one message at a time, and throws for more. */
  readonly #waiting: Uint8Array[] = []
  #isWaiting = false
  #last: Promise<void> = Promise.resolve()

  constructor(socket: Dealer) {
    this.#socket = socket
    void this.#receive()
  }

  send(bytes: Uint8Array): boolean {
    const own = bytes.length >= LARGE_BYTES ? bytes : Buffer.from(bytes)
    try {
      // Sent at once if there is room: awaiting each message would cost a turn of the microtasks.
      if (!this.#isWaiting) {
        this.#last = this.#socket.send(own)
        return true
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error
      this.#isWaiting = true
      void this.#sendWaiting()
    }
    this.#waiting.push(own)
    return false
  }

  onMessage(handler: MessageHandler): void {
    this.#handler = handler
  }

  onWritable(writable: () => void): void {
    this.#writable = writable
  }

  async #sendWaiting(): Promise<void> {
    await this.#last
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
      await this.#socket.send(next)
    this.#isWaiting = false
    this.#writable()
  }

  async #receive(): Promise<void> {
    for await (const [data] of this.#socket)
      this.#handler(new DataView(data!.buffer, data!.byteOffset, data!.length), 0, data!.length)
  }
}

/** ZeroMQ over TCP, with its own thread on each side. */
export function zeromq(): Library {
  const open = (options: LinkOptions): Dealer => {
    const mark = highWaterMark(options)
    return new Dealer({ sendHighWaterMark: mark, receiveHighWaterMark: mark, linger: 0 })
  }
  return {
    settings: (options) =>
      `DEALER to DEALER over TCP, high-water marks of ${highWaterMark(options)} messages, sends not awaited while there is room`,
    async listen(options, onLink) {
      const socket = open(options)
      await socket.bind(`tcp://${options.own}:*`)
      onLink(new ZeroLink(socket))
      return Number(socket.lastEndpoint!.slice(socket.lastEndpoint!.lastIndexOf(":") + 1))
    },
    connect(options, port) {
      const socket = open(options)
      socket.connect(`tcp://${options.other}:${port}`)
      return Promise.resolve(new ZeroLink(socket))
    },
  }
}
