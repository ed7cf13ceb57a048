import { parseHost } from "./addresses.ts"
import { Checks, type Kind, type Kinds, whole } from "./check.ts"
import { TransportError } from "./transport-error.ts"

const PORT_MAX = 65_535
/** Kernels double the value in a signed 32-bit integer and have limits of their own, which leave this. */
const BUFFER_BYTES_MAX = 2 ** 30 - 1

/** What to bind, and with which buffer sizes. Any other option is a `TransportError` `invalid-option`. */
export interface BindOptions {
  /** UDP port of both sockets, 0 to 65,535; 0 (default) takes a free one. */
  readonly port?: number
  /** Address to bind the v4 socket to, default `"0.0.0.0"`; `false`: no v4 socket. */
  readonly v4?: string | false
  /** Address to bind the v6 socket to, default `"::"` (v6 only, never mapped v4); `false`: no v6 socket. */
  readonly v6?: string | false
  /**
   * Requested SO_RCVBUF, 1 to 2^30 − 1 bytes, default 4 MiB: a stall of 5 ms at 100,000 datagrams/s overruns the usual
   * 208 KiB. The capabilities tell the size that was granted.
   */
  readonly receiveBufferBytes?: number
  /** Requested SO_SNDBUF, 1 to 2^30 − 1 bytes, default 1 MiB. */
  readonly sendBufferBytes?: number
}

/** The options of a transport; packages above pass them on. */
export const BIND_OPTIONS: Kinds<BindOptions> = {
  port: whole(0, PORT_MAX),
  v4: hostOrNone(4),
  v6: hostOrNone(6),
  receiveBufferBytes: whole(1, BUFFER_BYTES_MAX),
  sendBufferBytes: whole(1, BUFFER_BYTES_MAX),
}

const checks = new Checks((message) => new TransportError("invalid-option", message))

/** Options with their defaults filled in, checked. Throws a `TransportError` `invalid-option` or `no-family`. */
export function completeBindOptions(options: BindOptions): Required<BindOptions> {
  const given = checks.options("bind", options, BIND_OPTIONS)
  const { port = 0, v4 = "0.0.0.0", v6 = "::", receiveBufferBytes = 4_194_304, sendBufferBytes = 1_048_576 } = given
  if (v4 === false && v6 === false)
    throw new TransportError("no-family", "v4 and v6 are both switched off; leave one of them on")
  return { port, v4, v6, receiveBufferBytes, sendBufferBytes }
}

function hostOrNone(family: 4 | 6): Kind<string | false> {
  return {
    takes: `a literal v${family} address or false`,
    has: (value): value is string | false =>
      value === false || (typeof value === "string" && parseHost(value)?.family === family),
  }
}
