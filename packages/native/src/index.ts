/**
 * UDP sockets with an option that `node:dgram` can't set: no fragmentation (DF), from the first datagram on. The socket
 * is made here and passed to `dgram` by its number, `createSocket(…).bind({ fd })`.
 *
 * Importing this never throws. Ask {@link available} first; without the compiled helper each function throws
 * `ERR_NATIVE_UNAVAILABLE`.
 *
 * A failing system call throws an `Error` like Node's own, with `code` ("EADDRINUSE"), `errno` and `syscall`. A wrong
 * argument throws a `TypeError` or `RangeError` before anything happens.
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

/** Whether the compiled helper exists and loads on this runtime. */
export const available: boolean = loaded.binding !== undefined

/** Why it isn't {@link available}, in one line for people. */
export const reason: string | undefined = loaded.reason

/**
 * Whether {@link openChannel} works: on Linux, in Node. In Bun a call to libuv ends the process; Deno's libuv reports
 * only a socket's first event.
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
 * A deadline that calls `ring`. Throws `ERR_NATIVE_UNAVAILABLE` unless {@link canBatch}, and the system's error if
 * there are no more descriptors.
 */
export function openAlarm(ring: () => void): Alarm {
  if (canBatch) return new Alarm(helper(), ring)
  throw Object.assign(new Error("this system or runtime has no alarms"), { code: "ERR_NATIVE_UNAVAILABLE" })
}

/** The options of {@link openSocket}. */
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
   * The descriptor. The caller has to close it, with {@link close}, until `dgram` has bound it; from then on `dgram`
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

/**
 * The options that can be read and set, by their names in the system's headers. An option that this platform lacks
 * fails with ENOPROTOOPT.
 */
export interface SocketOptionNames {
  /**
   * On Linux, reading a buffer size gives twice what was set; the FORCE forms exceed the system's limit, for a
   * privileged process only. NO_CHECK is Linux only: v4 datagrams without UDP's checksum, and without segmentation
   * offload.
   */
  SOL_SOCKET: "SO_RCVBUF" | "SO_SNDBUF" | "SO_RCVBUFFORCE" | "SO_SNDBUFFORCE" | "SO_NO_CHECK"
  /**
   * MTU_DISCOVER is Linux only: 0 fragments, 2 obeys the kernel's path MTU, 3 (as opened here) only the interface's.
   * DONTFRAG is macOS only.
   */
  IPPROTO_IP: "IP_MTU_DISCOVER" | "IP_DONTFRAG"
  /** V6ONLY: 1 leaves v4 alone. The others as for v4. */
  IPPROTO_IPV6: "IPV6_V6ONLY" | "IPV6_MTU_DISCOVER" | "IPV6_DONTFRAG"
}

/**
 * Opens, configures and binds a non-blocking UDP socket that child processes don't inherit. If it throws, nothing stays
 * open.
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

/** The kernel's value of an option. */
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

/** Closes a socket that `dgram` doesn't own. Refuses any other descriptor with ENOTSOCK or EPROTOTYPE. */
export function close(fd: number): void {
  helper().close(fd)
}

function helper(): Binding {
  if (loaded.binding !== undefined) return loaded.binding
  throw Object.assign(new Error(`the native helper is not available: ${loaded.reason}`), {
    code: "ERR_NATIVE_UNAVAILABLE",
  })
}
