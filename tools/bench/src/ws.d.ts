declare module "ws" {
  import type { EventEmitter } from "node:events"

  export interface WebSocketOptions {
    readonly perMessageDeflate?: boolean
    readonly skipUTF8Validation?: boolean
  }
  export class WebSocket extends EventEmitter {
    constructor(address: string, options?: WebSocketOptions)
    /** Bytes sent but not yet given to the system. */
    readonly bufferedAmount: number
    send(bytes: Uint8Array, written?: () => void): void
  }
  export class WebSocketServer extends EventEmitter {
    constructor(options: WebSocketOptions & { readonly host: string; readonly port: number })
    address(): { readonly port: number }
  }
}
