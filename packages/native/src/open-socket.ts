import type { Binding } from "./binding.ts"

/** The options of `openSocket`. */
export interface OpenOptions {
  /** IPv4 or IPv6. */
  family: 4 | 6
  /** A numeric address of the family, for v6 also with a scope ("fe80::1%eth0"). Names are not resolved. */
  host: string
  /** 0 to 65,535; 0 (the default) takes a free one. */
  port?: number | undefined
  /** Whether a v6 socket leaves v4 alone, so that both families can use the same port. Default true; ignored for v4. */
  v6Only?: boolean | undefined
  /**
   * Asks that no datagram is ever fragmented: a datagram too long for the interface fails with EMSGSIZE. Default true.
   */
  dontFragment?: boolean | undefined
  /**
   * Bytes of received datagrams that the kernel may hold before it drops any, at most 2^30 − 1. Default 0: the system's
   * default.
   */
  receiveBufferBytes?: number | undefined
  /** Bytes of unsent datagrams that the kernel may hold, at most 2^30 − 1. Default 0: the system's default. */
  sendBufferBytes?: number | undefined
}

/** The socket as the kernel granted it, read back. */
export interface OpenedSocket {
  /**
   * The descriptor. The caller has to close it, with `close`, until `dgram` has bound it; from then on `dgram`
   * does.
   */
  fd: number
  /** The port it is bound to, 1 to 65,535. */
  port: number
  /** False if this kernel can't promise it. */
  dontFragment: boolean
  /**
   * Bytes of received datagrams that the kernel holds, in the unit of the request. Less than requested means a limit of
   * the system (on Linux net.core.rmem_max).
   */
  receiveBufferBytes: number
  /**
   * Bytes of unsent datagrams that the kernel holds, in the unit of the request. Less than requested means a limit of
   * the system (on Linux net.core.wmem_max).
   */
  sendBufferBytes: number
}

/** Opens a socket by the helper, which wants each option, in its order. */
export function open(helper: Pick<Binding, "open">, options: OpenOptions): OpenedSocket {
  const { family, host, port = 0, v6Only = true, dontFragment = true } = options
  const { receiveBufferBytes = 0, sendBufferBytes = 0 } = options
  return helper.open(family, host, port, v6Only, dontFragment, receiveBufferBytes, sendBufferBytes)
}
