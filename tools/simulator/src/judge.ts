/** What must hold at all times, by name. */
export const INVARIANTS = {
  "exactly-once": "no message is handed over twice",
  order: "within a stream that keeps order, messages come in it",
  whole: "a message comes as it was sent, byte for byte",
  foreign: "a message comes from the incarnation that sent it, at the one it was meant for",
  unpromised: "only what was accepted, and not withdrawn, is handed over",
  account: "accepted = acknowledged + unconfirmed + dropped + pending, and as many as were accepted",
  acknowledged: "what counts as acknowledged has come",
  budget: "no bound of memory or number is passed",
  structure: "the machines agree with themselves",
  verdict: "each send settles once, and what it says is true",
  peers: "one peer for an incarnation; it leaves once, and only after silence or a word",
  answers: "each call is answered in its time, by what it promises or by an error that says why not",
  orderly: "what closes in order, with time to, has delivered what it accepted, where the peer lives and stays",
  "handed-back": "what a named stream accepted is acknowledged, taken back by who sent it, or handed back once",
  connection: "a connection is told up and down in turn",
  departure: "a peer that leaves is told of with exact counts of what was lost",
  counters: "each drop is counted under a name that something in the world explains",
  conservation: "each datagram that was sent is somewhere",
  hijack: "no peer moves to an address from which its datagrams were only copied",
  amplification: "to an address that proved nothing goes at most three times what came from there",
  "feed-account": "of a feed, begun = delivered + gone, and of a subscriber, given + skipped + waiting",
  "feed-once": "no message of a topic comes twice in a feed",
  "feed-order": "within a feed that keeps order, messages come in it",
  position: "a message comes at the position at which it was published, and a feed goes on at its place",
  gaps: "what is told as gone is exactly what won't come",
  lag: "who waits gets or skips something within the lag, or is out: nobody holds the others up for longer",
  "topic-held": "a topic holds what is kept or waits, within its bounds, and nothing for who left",
  "request-once": "each request ends once, and is answered once unless it may be asked again",
  "not-done": "what is told as not done was begun nowhere",
  "request-answer": "an answer is that of its question, and a question comes to whom it was asked",
  "request-deadline": "nothing is outstanding after its deadline",
  parts: "parts come in order, without gaps, and whole if they end well",
  "requests-held": "requests are bounded, and nothing is held for who left",
  quiet: "nothing throws, and no promise rejects unseen",
  convergence: "once the network is whole, all that was promised happens in time",
  "given-back": "what members held that are gone is given back",
  "nothing-left": "closed endpoints hold nothing",
} as const

export type Invariant = keyof typeof INVARIANTS

export interface Failure {
  readonly invariant: Invariant
  readonly detail: string
  readonly atMs: number
}

/** Keeps the first failure: later ones may follow from it. */
export class Judge {
  failure: Failure | undefined
  /** The number of checks. A check that never ran has shown nothing. */
  checks = 0
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  check(holds: boolean, invariant: Invariant, detail: () => string): void {
    this.checks++
    if (!holds) this.fail(invariant, detail())
  }

  fail(invariant: Invariant, detail: string): void {
    this.failure ??= { invariant, detail, atMs: this.#now() }
  }
}
