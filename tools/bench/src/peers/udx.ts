import type { Duplex } from "node:stream"
import UDX from "udx-native"
import { FramedLink } from "../frames.ts"
import type { Library } from "../link.ts"

const LISTENER = 1
const CONNECTOR = 2

/** Streams over UDP in C, as used by Hyperswarm. */
export function udx(): Library {
  const open = (
    own: number,
    other: number,
    port?: number,
  ): { readonly stream: Duplex; readonly port: number; join(port: number): void } => {
    const socket = new UDX().createSocket()
    socket.bind(port ?? 0, "127.0.0.1")
    const stream = socket.udx.createStream(own, { highWaterMark: 1_048_576 })
    return { stream, port: socket.address().port, join: (to) => stream.connect(socket, other, to, "127.0.0.1") }
  }
  return {
    settings: () => "length prefixes, a write for each turn or 64 KiB, highWaterMark 1 MiB",
    listen(_, onLink) {
      const { stream, port, join } = open(LISTENER, CONNECTOR)
      join(port + 1)
      onLink(new FramedLink(stream, true))
      return Promise.resolve(port)
    },
    connect(_, port) {
      // It has no handshake: each has to know the other's port.
      const { stream, join } = open(CONNECTOR, LISTENER, port + 1)
      join(port)
      return Promise.resolve(new FramedLink(stream, true))
    },
  }
}
