/**
 * UDP sockets with what `node:dgram` can't set: no fragmentation (DF), from the first datagram on. The socket is made
 * here and handed to `dgram` by its number, `createSocket(…).bind({ fd })`.
 *
 * Importing this never throws. Ask {@link available} first; without the compiled helper each function throws
 * `ERR_NATIVE_UNAVAILABLE`.
 *
 * A failing system call throws an `Error` as Node's own do, with `code` ("EADDRINUSE"), `errno` and `syscall`; a wrong
 * argument throws a `TypeError` or `RangeError`, and nothing has happened then.
 *
 * @module
 */

import { Alarm } from "./alarm.ts"
import { type Binding, candidates, load } from "./binding.ts"
import { Channel, type ChannelListener } from "./channel.ts"

export type { Alarm } from "./alarm.ts"
export {
  type Channel,
  type ChannelListener,
  RECEIVE_ROWS_MAX,
  RECEIVE_SLAB_BYTES,
  type ReceivedRows,
  type SealingKey,
  SEND_ROWS_MAX,
  type SendReport,
  type SendRows,
} from "./channel.ts"

const loaded = load(candidates())

/** Whether the compiled helper is there and loads on this runtime. */
export const available: boolean = loaded.binding !== undefined

/** Why it isn't {@link available}, in a line for a person to read. */
export const reason: string | undefined = loaded.reason

/**
 * Whether {@link openChannel} is there: on Linux, in Node. A call of libuv ends the process in Bun; Deno's libuv tells
 * of the first event of a socket and of no other.
 */
export const canBatch: boolean =
  loaded.binding?.batch === true && process.versions["bun"] === undefined && process.versions["deno"] === undefined

/** Datagrams in batches over sockets of {@link openSocket}. Throws `ERR_NATIVE_UNAVAILABLE` unless {@link canBatch}. */
export function openChannel(listener: ChannelListener): Channel {
  if (canBatch) return new Channel(helper(), listener)
  throw Object.assign(new Error("this system or runtime doesn't move datagrams in batches"), {
    code: "ERR_NATIVE_UNAVAILABLE",
  })
}

/**
 * A deadline that calls `ring`. Throws `ERR_NATIVE_UNAVAILABLE` unless {@link canBatch}, and what the system does when
 * it has no more descriptors.
 */
export function openAlarm(ring: () => void): Alarm {
  if (canBatch) return new Alarm(helper(), ring)
  throw Object.assign(new Error("this system or runtime has no alarms"), { code: "ERR_NATIVE_UNAVAILABLE" })
}

/** What {@link openSocket} opens. */
export interface OpenOptions {
  /** IPv4 or IPv6. */
  family: 4 | 6
  /** A numeric address of the family, for v6 also with a scope ("fe80::1%eth0"). Names are not resolved. */
  host: string
  /** 0 to 65,535; 0 (the default) takes a free one. */
  port?: number | undefined
  /**
   * Whether a v6 socket leaves v4 alone, so that both families can have the same port. Default true; of no meaning for
   * v4.
   */
  v6Only?: boolean | undefined
  /** Asks that no datagram is ever fragmented: one too long for the interface fails with EMSGSIZE. Default true. */
  dontFragment?: boolean | undefined
  /**
   * How much the kernel may hold for us before it drops, in bytes, at most 2^30 − 1. Default 0: what the system gives.
   */
  receiveBufferBytes?: number | undefined
  /** How much it may hold on the way out, in bytes, at most 2^30 − 1. Default 0: what the system gives. */
  sendBufferBytes?: number | undefined
}

/** What the kernel made of the request, read back from it. */
export interface OpenedSocket {
  /** The caller's to close, with {@link close}, until `dgram` has bound it; then `dgram`'s. */
  fd: number
  /** The port that it is bound to, 1 to 65,535. */
  port: number
  /** False if this kernel can't promise it. */
  dontFragment: boolean
  /**
   * Bytes the kernel holds for us, in the unit of the request: less than was asked is a limit of the system (on Linux
   * net.core.rmem_max).
   */
  receiveBufferBytes: number
  /**
   * Bytes it holds on the way out, in the unit of the request: less than was asked is a limit of the system (on Linux
   * net.core.wmem_max).
   */
  sendBufferBytes: number
}

/**
 * The options that can be read and set, by the names of the system's headers. One that this platform lacks fails with
 * ENOPROTOOPT.
 */
export interface SocketOptionNames {
  /**
   * On Linux the buffer sizes read twice what was set; the FORCE forms pass the system's limit, for a privileged
   * process only. NO_CHECK is Linux: v4 datagrams without UDP's checksum, and without segmentation offload.
   */
  SOL_SOCKET: "SO_RCVBUF" | "SO_SNDBUF" | "SO_RCVBUFFORCE" | "SO_SNDBUFFORCE" | "SO_NO_CHECK"
  /**
   * MTU_DISCOVER is Linux: 0 fragments, 2 obeys the kernel's path MTU, 3 (as opened here) only the interface's.
   * DONTFRAG is macOS.
   */
  IPPROTO_IP: "IP_MTU_DISCOVER" | "IP_DONTFRAG"
  /** V6ONLY: 1 leaves v4 alone. The others as for v4. */
  IPPROTO_IPV6: "IPV6_V6ONLY" | "IPV6_MTU_DISCOVER" | "IPV6_DONTFRAG"
}

/**
 * Opens, configures and binds a non-blocking UDP socket that child processes don't inherit. When it throws, nothing
 * stays open.
 */
export function openSocket(options: OpenOptions): OpenedSocket {
  const {
    family,
    host,
    port = 0,
    v6Only = true,
    dontFragment = true,
    receiveBufferBytes = 0,
    sendBufferBytes = 0,
  } = options
  return helper().open(family, host, port, v6Only, dontFragment, receiveBufferBytes, sendBufferBytes)
}

/** The value the kernel has for an option. */
export function getOption<Level extends keyof SocketOptionNames>(
  fd: number,
  level: Level,
  name: SocketOptionNames[Level],
): number {
  return helper().getOption(fd, level, name)
}

/** Sets an option to a whole number; a switch takes 0 or 1. */
export function setOption<Level extends keyof SocketOptionNames>(
  fd: number,
  level: Level,
  name: SocketOptionNames[Level],
  value: number,
): void {
  helper().setOption(fd, level, name, value)
}

/** Closes a socket that `dgram` doesn't own. Refuses what is no UDP socket, with ENOTSOCK or EPROTOTYPE. */
export function close(fd: number): void {
  helper().close(fd)
}

function helper(): Binding {
  if (loaded.binding !== undefined) return loaded.binding
  throw Object.assign(new Error(`the native helper is not available: ${loaded.reason}`), {
    code: "ERR_NATIVE_UNAVAILABLE",
  })
}
