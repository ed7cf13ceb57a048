/** What an endpoint holds, and how often it could hold no more. */

/** Sizes of what grows and shrinks. */
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

/** How often a bound was met. */
export interface Full {
  /** No slot for a packet that came early: others held too many. */
  readonly pool: number
  /** No slot for a packet that came early: its peer had all that one may have. */
  readonly poolPerPeer: number
  /** No slot for a packet to be sent: others held too many. */
  readonly sendPool: number
  /** No slot for a packet to be sent: its peer had all that one may have. */
  readonly sendPoolPerPeer: number
  /** No place for a stream in the process. Of one peer: the drop `streams-full`. */
  readonly streams: number
  /** A join from a host with too many half-open ones. Of the process: the drop `peers-full`. */
  readonly halfOpenPerHost: number
}
