/**
 * How much of the native helper each runtime takes, and how its `dgram` differs from Node's. Nothing else here knows
 * one runtime from another.
 *
 * @module
 */

export interface Runtime {
  /** `"batches"`: all of it; `"sockets"`: `dgram` takes what it opens; `"nothing"`: it isn't loaded. */
  readonly helper: "batches" | "sockets" | "nothing"
  /** Whether the buffer sizes that `dgram` sets and reads are the system's. */
  readonly hasBufferSizes: boolean
  /** Whether `unref` of `dgram` lets the program end although the socket waits for a datagram already. */
  readonly unrefsAtOnce: boolean
  /** How many turns the event loop may make, when each leaves an immediate, until it has looked at the sockets. */
  readonly turnsToRead: number
  /** What is less than on Node, why, and what it costs: a sentence for the notes. */
  readonly note?: string
}

export const NODE: Runtime = { helper: "batches", hasBufferSizes: true, unrefsAtOnce: true, turnsToRead: 1 }

/**
 * What the costs are told from: 100 MiB over loopback in datagrams of 1,200 B took 0.55 s of CPU at both ends together
 * on Node, 2.6 s on Bun 1.4 and 5.6 s on Deno 2.9.
 */
const BUN: Runtime = {
  helper: "sockets",
  hasBufferSizes: true,
  unrefsAtOnce: true,
  turnsToRead: 1,
  // A call of libuv ends the process there.
  note: "datagrams go one by one, at some five times the CPU of Node's batches: the native helper needs libuv for them, which Bun hasn't",
}

/**
 * Its `dgram` refuses descriptors that it didn't open, and allocates what was given as the size of the receive buffer
 * for each datagram. Its libuv tells of a socket's first event only, and it panics when a channel of the helper is
 * closed. Loading the helper would ask the user for a permission that is of no use.
 */
const DENO: Runtime = {
  helper: "nothing",
  hasBufferSizes: false,
  unrefsAtOnce: false,
  // Seen were up to 128: its executor looks at sockets once in 61 tasks, unless it has nothing to do.
  turnsToRead: 256,
  note: "datagrams go one by one, at some ten times the CPU of Node's batches, long ones may be fragmented, and buffers have the system's default size: Deno's dgram takes no sockets of the native helper",
}

/** The runtime with these `process.versions`. One that isn't known is taken for Node. */
export function runtimeOf({ bun, deno }: NodeJS.ProcessVersions): Runtime {
  if (deno !== undefined) return DENO
  return bun === undefined ? NODE : BUN
}
