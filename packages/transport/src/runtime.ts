/**
 * How much of the native helper each runtime can use, and how its `dgram` differs from Node's. No other file here
 * distinguishes runtimes.
 *
 * @module
 */

export interface Runtime {
  /**
   * How much of the helper it uses. `"batches"`: all of it; `"sockets"`: `dgram` gets the sockets that the helper
   * opens; `"nothing"`: it isn't loaded.
   */
  readonly helper: "batches" | "sockets" | "nothing"
  /** Whether `dgram` sets and reads the system's buffer sizes. */
  readonly hasBufferSizes: boolean
  /** Whether `unref` of `dgram` lets the program end even if the socket is already waiting for a datagram. */
  readonly unrefsAtOnce: boolean
  /** How many turns the event loop may make before it looks at the sockets, if each turn sets an immediate. */
  readonly turnsToRead: number
  /** A sentence for the notes: what is missing compared with Node, why, and what that costs. */
  readonly note?: string
}

export const NODE: Runtime = { helper: "batches", hasBufferSizes: true, unrefsAtOnce: true, turnsToRead: 1 }

/**
 * The measurement behind the costs in the notes: 100 MiB over loopback in datagrams of 1,200 B took 0.55 s of CPU at
 * both ends together on Node, 2.6 s on Bun 1.4 and 5.6 s on Deno 2.9.
 */
const BUN: Runtime = {
  helper: "sockets",
  hasBufferSizes: true,
  unrefsAtOnce: true,
  turnsToRead: 1,
  // On Bun a call to libuv ends the process.
  note: "datagrams go one by one, at some five times the CPU of Node's batches: the native helper needs libuv for them, which Bun hasn't",
}

/**
 * Deno's `dgram` refuses descriptors that it didn't open, and for each datagram it allocates the size set for the
 * receive buffer. Its libuv reports only a socket's first event, and Deno panics when a channel of the helper is
 * closed. Loading the helper would ask the user for a useless permission.
 */
const DENO: Runtime = {
  helper: "nothing",
  hasBufferSizes: false,
  unrefsAtOnce: false,
  // Up to 128 were seen: Deno's executor looks at sockets once in 61 tasks, unless it is idle.
  turnsToRead: 256,
  note: "datagrams go one by one, at some ten times the CPU of Node's batches, long ones may be fragmented, and buffers have the system's default size: Deno's dgram takes no sockets of the native helper",
}

/** The runtime with these `process.versions`. An unknown one is taken for Node. */
export function runtimeOf({ bun, deno }: NodeJS.ProcessVersions): Runtime {
  if (deno !== undefined) return DENO
  return bun === undefined ? NODE : BUN
}
