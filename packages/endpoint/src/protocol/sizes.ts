/** What an endpoint holds, and how often it met a bound. */

/** Sizes of everything that grows and shrinks. */
export interface Sizes {
  readonly peers: number
  readonly slots: number
  readonly joins: number
  readonly halfOpen: number
  readonly pool: number
  readonly assemblyBytes: number
  readonly timers: number
  readonly sendPool: number
  readonly streams: number
}

/** How often each bound was met. */
export interface Full {
  /** No slot for an early packet: other peers held too many. */
  readonly pool: number
  /** No slot for an early packet: its peer had the most allowed. */
  readonly poolPerPeer: number
  /** No slot for a packet to send: other peers held too many. */
  readonly sendPool: number
  /** No slot for a packet to send: its peer had the most allowed. */
  readonly sendPoolPerPeer: number
  /** No place for a stream in the process. The bound of one peer is the drop `streams-full`. */
  readonly streams: number
  /** A join from a host with too many half-open ones. The bound of the process is the drop `peers-full`. */
  readonly halfOpenPerHost: number
  /** A half-open join that gave way to one of a host with fewer. */
  readonly halfOpen: number
  /** A peer was left since it took nothing for `stalledMs`, and held packets while others waited for memory. */
  readonly stalled: number
}
