import { type Feed, type Place, TopicError, type TopicMessage } from "@x/topics"
import { read32 } from "./content.ts"
import type { Judge } from "./judge.ts"
import type { Process } from "./process.ts"
import type { TopicLedger } from "./topic-ledger.ts"
import { TOPIC_TYPE } from "./topic-ledger.ts"

/** What a reader does after a message: for how long it does nothing, and whether it leaves its loop. */
export interface Reading {
  pauseMs(): number
  leaves(): boolean
  sleep(ms: number): Promise<void>
  /** The topic whose messages begin with a key. */
  ledgerOf(key: number): TopicLedger | undefined
}

/** How the iteration ends without an error. */
const QUIET = new Set<string>(["unsubscribed", "topic-closed"])

/** One feed as its reader sees it. */
export class FeedLedger {
  readonly feed: Feed
  readonly process: Process
  isReading = false
  isOver = false
  delivered = 0
  readonly #judge: Judge
  readonly #reading: Reading
  /** Where order is kept: the first position. */
  readonly #first: number | undefined
  readonly #log: string | undefined
  #ledger: TopicLedger | undefined
  #last = -1
  readonly #seen = new Set<number>()
  /** What is wrong with its account if another message comes. */
  #wrongUnlessLast: string | undefined
  #told = 0
  #ends = 0

  constructor(feed: Feed, process: Process, judge: Judge, reading: Reading) {
    this.feed = feed
    this.process = process
    this.#judge = judge
    this.#reading = reading
    const { place } = feed
    this.#first = place?.next
    this.#log = place?.log
    this.#last = (place?.next ?? 0) - 1
    feed.on("gap", (messages) => {
      this.#told += messages
      judge.check(messages > 0 && this.#ends === 0, "gaps", () => `${this.name}: a gap of ${messages}`)
    })
    feed.on("ended", () => this.#onEnded())
    void feed.closed.then(({ why, account }) => {
      this.isOver = true
      this.#checkEnd(why, account)
    })
  }

  get name(): string {
    const { topic, delivery, peer } = this.feed
    return `feed of ${topic} (${delivery}) of ${peer.unique} at ${this.process.unique}`
  }

  /** It went on from a place, or says why not. */
  checkStart(from: Place): void {
    const { resumed, missed } = this.feed
    const isSame = from.log === this.#log
    const holds = isSame ? this.#first === from.next + missed && resumed === (missed === 0) : !resumed && missed === 0
    this.#judge.check(
      holds,
      "position",
      () => `${this.name}: from ${JSON.stringify(from)}, at ${this.#log} ${this.#first}, ${missed} missed, ${resumed}`,
    )
  }

  async read(): Promise<void> {
    if (this.isReading || this.isOver) return
    this.isReading = true
    let how = "done"
    try {
      for await (const message of this.feed.messages()) {
        if (this.process.isOver) return
        this.#take(message)
        await this.#reading.sleep(this.#reading.pauseMs())
        if (this.#reading.leaves()) return
      }
    } catch (error) {
      how = error instanceof TopicError ? error.code : String(error)
    } finally {
      this.isReading = false
    }
    const { why, account } = await this.feed.closed
    this.#judge.check(
      how === (QUIET.has(why) ? "done" : why) && why !== "protocol-error" && account.delivered === this.delivered,
      "feed-account",
      () => `${this.name}: ended as ${why}, its reader with ${how}: ${account.delivered}, ${this.delivered} read`,
    )
  }

  #take({ position, type, bytes }: TopicMessage): void {
    const judge = this.#judge
    const { feed } = this
    if (this.#wrongUnlessLast !== undefined) judge.fail("gaps", this.#wrongUnlessLast)
    this.delivered++
    const ledger = (this.#ledger ??= this.#reading.ledgerOf(read32(bytes, 0)))
    if (ledger === undefined || ledger.from !== feed.peer.unique || ledger.topic.name !== feed.topic)
      return judge.fail("position", `${this.name}: a message of another topic`)
    judge.check(
      type === TOPIC_TYPE && ledger.isPublished(position, bytes),
      "position",
      () => `${this.name}: ${bytes.length} B at ${position} aren't what was published there`,
    )
    if (ledger.isOrdered) this.#takeInOrder(position, ledger)
    else {
      judge.check(!this.#seen.has(position), "feed-once", () => `${this.name}: ${position} came again`)
      this.#seen.add(position)
    }
    const { begun, delivered, gone } = feed.account
    judge.check(
      begun === delivered + gone && delivered === this.delivered,
      "feed-account",
      () => `${this.name}: ${JSON.stringify(feed.account)}, ${this.delivered} read`,
    )
  }

  #takeInOrder(position: number, ledger: TopicLedger): void {
    const judge = this.#judge
    const { place, account } = this.feed
    judge.check(position !== this.#last, "feed-once", () => `${this.name}: ${position} came again`)
    judge.check(position >= this.#last + 1, "feed-order", () => `${this.name}: ${position} after ${this.#last}`)
    this.#last = position
    // A feed that has ended while its reader was about to be given this one counts what comes after it, too.
    if (account.begun !== position + 1 - this.#first! || (ledger.plan.slow !== "skip" && account.gone > 0))
      this.#wrongUnlessLast = `${this.name}: ${JSON.stringify(account)} at ${position}, from ${this.#first}`
    judge.check(
      place?.next === position + 1 && place.log === ledger.topic.log,
      "position",
      () => `${this.name}: its place is ${JSON.stringify(place)} behind ${position}`,
    )
  }

  #onEnded(): void {
    this.#ends++
    const { gone } = this.feed.account
    this.#judge.check(
      this.#ends === 1 && this.#told === gone,
      "gaps",
      () => `${this.name}: ended ${this.#ends} times; of ${gone} that are gone ${this.#told} were told`,
    )
  }

  #checkEnd(why: string, { begun, delivered, gone }: Feed["account"]): void {
    const ledger = this.#ledger
    const mayMiss = ledger?.isReliable !== true || ledger.plan.slow === "skip" || why !== "topic-closed"
    // Its reader may be about to be given the last.
    const isRead = delivered === this.delivered || (this.isReading && delivered === this.delivered + 1)
    this.#judge.check(
      begun === delivered + gone && isRead && (mayMiss || gone === 0),
      "feed-account",
      () => `${this.name}: ended as ${why} with ${JSON.stringify({ begun, delivered, gone })}, ${this.delivered} read`,
    )
    if (ledger === undefined || this.#first === undefined) return
    this.#judge.check(
      begun <= ledger.topic.position - this.#first,
      "gaps",
      () => `${this.name}: ${begun} begun since ${this.#first}, and ${ledger.topic.position} were published`,
    )
  }

  /** Whether it has all that its publisher gave it, and knows of the rest. */
  isComplete({ topic, isReliable }: TopicLedger): boolean {
    const account = topic.subscribers.find(({ peer }) => peer.unique === this.process.unique)
    if (account === undefined) return false
    if (!isReliable) return account.waiting === 0
    const { delivered, gone } = this.feed.account
    return account.waiting === 0 && delivered === account.given && gone === account.skipped
  }
}
