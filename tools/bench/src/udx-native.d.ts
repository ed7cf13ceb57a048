declare module "udx-native" {
  import type { Duplex } from "node:stream"

  export interface UdxStream extends Duplex {
    connect(socket: UdxSocket, remoteId: number, port: number, host: string): void
  }
  export interface UdxSocket {
    readonly udx: UDX
    bind(port: number, host: string): void
    address(): { readonly port: number }
  }
  export default class UDX {
    createSocket(): UdxSocket
    createStream(id: number, options?: { readonly highWaterMark?: number }): UdxStream
  }
}
