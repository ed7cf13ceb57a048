import { connect, createServer, type TLSSocket } from "node:tls"
import { FramedLink } from "../frames.ts"
import type { Library } from "../link.ts"

const HIGH_WATER_MARK = 1_048_576
const CIPHER = "TLS_AES_128_GCM_SHA256"
/**
 * Both sides know this key, so there is no certificate. Records are protected in the same way as with one; only the
 * handshake differs, which isn't measured.
 */
const KEY = Buffer.alloc(32, "bench")
const OPTIONS = { minVersion: "TLSv1.3", maxVersion: "TLSv1.3", ciphers: CIPHER } as const

/** `node:tls`, with Nagle's delay off. */
export function tls(): Library {
  const linkOf = (socket: TLSSocket): FramedLink => {
    socket.setNoDelay(true)
    return new FramedLink(socket, true)
  }
  return {
    settings: () =>
      `TLS 1.3, ${CIPHER}, a key both know; noDelay, length prefixes, a write for each turn or 64 KiB, highWaterMark 1 MiB`,
    listen: ({ own }, onLink) =>
      new Promise((resolve) => {
        const server = createServer({ ...OPTIONS, pskCallback: () => KEY }, (socket) => onLink(linkOf(socket)))
        server.listen(0, own, () => resolve((server.address() as { readonly port: number }).port))
      }),
    connect: ({ other }, port) =>
      new Promise((resolve) => {
        const keyed = { pskCallback: () => ({ psk: KEY, identity: "bench" }), checkServerIdentity: () => undefined }
        const socket = connect({ ...OPTIONS, ...keyed, port, host: other, ...{ highWaterMark: HIGH_WATER_MARK } })
        socket.once("secureConnect", () => resolve(linkOf(socket)))
      }),
  }
}
