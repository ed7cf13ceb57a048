/** What was dropped on the side that asks, by reason. */
export interface AskingDrops {
  /** Messages that are none of this format. */
  malformed: number
  /** Answers that nothing waits for: they came too late, a second time, or answer nothing that was asked. */
  "unknown-answer": number
  /** A single answer where parts were asked for, parts where a single answer was, or a second stream of parts. */
  "unasked-form": number
  /** Cancels that there was no room for: the peer goes on until it is done, or the time is over. */
  "untold-cancel": number
}

/** What was dropped on the side that answers, by reason. */
export interface AnsweringDrops {
  /** Messages that are none of this format, streams whose labels are none, and a third stream of one label. */
  malformed: number
  /** Requests that came a second time, or after a later one in their slot. */
  duplicate: number
  /** Requests that were cancelled before they began. */
  cancelled: number
  /** Requests whose time was over before they began. */
  expired: number
  /** Answers that were ready after their request was cancelled, or its time was over. */
  "late-answer": number
  /** Answers that there was no stream for. */
  unanswerable: number
}

/** Sizes and counters of the requests of an endpoint. */
export interface RpcStats {
  /** Requests that wait for their answer, to all peers. */
  readonly outstanding: number
  /** Requests that wait until a connection is up. */
  readonly waitingForPeer: number
  /** Requests that are being answered. */
  readonly running: number
  /** Requests that came, and wait for a place: at most one for each stream. */
  readonly waiting: number
  /** Answers that wait for room, beside those that wait in their stream. */
  readonly unsentAnswers: number
  /** Bytes of these. */
  readonly unsentAnswerBytes: number
  /** Deadlines that are set. */
  readonly deadlines: number
  /** Peers with requests in either direction since they joined. */
  readonly peers: number
  /** What was dropped, by reason. */
  readonly dropped: {
    /** On the side that asks. */
    readonly asking: Readonly<AskingDrops>
    /** On the side that answers. */
    readonly answering: Readonly<AnsweringDrops>
  }
}
