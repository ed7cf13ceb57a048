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
import { open, type OpenedSocket, type OpenOptions } from "./open-socket.ts"
import { Channel, type ChannelListener } from "./channel.ts"

export type { Alarm } from "./alarm.ts"
export type { OpenedSocket, OpenOptions } from "./open-socket.ts"
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
  return open(helper(), options)
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
