import type { OutgoingStream } from "@x/endpoint"
import type { Topic } from "@x/topics"
import { traitsNamed } from "@x/wire"
import { isContent, makeContent } from "./content.ts"
import { type Pending, pendingOf } from "./convergence.ts"
import type { Judge } from "./judge.ts"
import type { TopicPlan } from "./mix-scenario.ts"
import { Overdue } from "./overdue.ts"

/** The type of all messages of topics. */
export const TOPIC_TYPE = 7

/** What it looks at of a topic's inside. */
interface Inside {
  readonly publication: { readonly accounts: ReadonlySet<MemberInside>; assertInvariants(): void }
}

interface MemberInside {
  readonly stream: OutgoingStream
  readonly given: number
  readonly skipped: number
  readonly next: number
  lag(end: number): number
}

/** What a subscriber that waits has had, and since when it has had no more. */
interface Waiting {
  had: number
  sinceMs: number
  readonly overdue: Overdue
}

/** A topic of one process, as seen from outside: what was published, and what it says of its subscribers. */
export class TopicLedger {
  readonly key: number
  readonly topic: Topic
  readonly plan: TopicPlan
  /** The incarnation that publishes it. */
  readonly from: string
  readonly #judge: Judge
  /** The bytes of each message that was published, by position. */
  readonly #bytes: number[] = []
  readonly #waiting = new Map<MemberInside, Waiting>()
  /** Streams to subscribers, also to those of a topic that was closed: they still get what they were given. */
  readonly #streams = new Set<OutgoingStream>()
  readonly #orphan = new Overdue()

  constructor(key: number, topic: Topic, plan: TopicPlan, from: string, judge: Judge) {
    this.key = key
    this.topic = topic
    this.plan = plan
    this.from = from
    this.#judge = judge
  }

  get name(): string {
    return `${this.topic.name} (${this.plan.delivery}, ${this.plan.slow}) of ${this.from}`
  }

  get isReliable(): boolean {
    return traitsNamed(this.plan.delivery).waits
  }

  get isOrdered(): boolean {
    return traitsNamed(this.plan.delivery).isOrdered
  }

  /** Publishes a message. Returns whether it was taken. */
  publish(bytes: number): boolean {
    const { topic, plan } = this
    const { position } = topic
    const result = topic.publish(TOPIC_TYPE, makeContent(bytes, this.key, position))
    const isTaken = result !== "refused"
    if (isTaken) this.#bytes.push(bytes)
    this.#judge.check(
      topic.position === this.#bytes.length && (isTaken || plan.slow === "hold"),
      "position",
      () => `${this.name}: ${result}, and ${topic.position} after ${this.#bytes.length} messages`,
    )
    return isTaken
  }

  /** Whether these are the bytes that were published at a position. */
  isPublished(position: number, bytes: Uint8Array): boolean {
    return this.#bytes[position] === bytes.length && isContent(bytes, 0, bytes.length, this.key, position)
  }

  get #inside(): Inside["publication"] {
    return (this.topic as unknown as Inside).publication
  }

  /** Checks what must hold after each turn of its process. `nowMs`: by the clock of the process. */
  check(nowMs: number): void {
    const { topic, plan } = this
    const judge = this.#judge
    for (const { begun, given, skipped, waiting, peer } of topic.subscribers) {
      judge.check(
        given + skipped + waiting === begun && (plan.slow === "skip" || skipped === 0),
        "feed-account",
        () => `${this.name} to ${peer.unique}: ${given} given, ${skipped} skipped, ${waiting} wait, of ${begun}`,
      )
    }
    const { accounts } = this.#inside
    let hasOrphan = false
    for (const member of accounts) {
      this.#checkLag(member, nowMs)
      this.#streams.add(member.stream)
      hasOrphan ||= member.stream.peer.state === "left"
    }
    for (const stream of this.#streams) if (stream.state === "closed") this.#streams.delete(stream)
    for (const member of this.#waiting.keys()) if (!accounts.has(member)) this.#waiting.delete(member)
    judge.check(!this.#orphan.see(hasOrphan, nowMs), "topic-held", () => `${this.name}: who has left is subscribed`)
    this.#checkHeld()
  }

  /** What has yet to come to subscribers, where nothing may be lost: in their streams, and waiting for these. */
  get pending(): Pending[] {
    if (!this.isReliable) return []
    const waiting = new Map([...this.#inside.accounts].map(({ stream, next }) => [stream, this.#bytes.slice(next)]))
    return [...this.#streams].map((stream) => {
      const { peer, messages, bytes } = pendingOf(stream)
      const more = waiting.get(stream) ?? []
      return { peer, messages: messages + more.length, bytes: more.reduce((sum, it) => sum + it, bytes) }
    })
  }

  /** Whoever waits for a message gets or skips one within `lag.ms`, or is out. */
  #checkLag(member: MemberInside, nowMs: number): void {
    const { lag, slow } = this.plan
    const end = this.topic.position
    this.#judge.check(
      member.lag(end) <= lag.messages,
      "lag",
      () => `${this.name}: ${member.stream.peer.unique} is ${member.lag(end)} messages behind`,
    )
    // The newest message is never skipped.
    const mayWait = member.next >= end - (slow === "skip" ? 1 : 0)
    const known = this.#waiting.get(member)
    if (mayWait) return void (known !== undefined && this.#waiting.delete(member))
    const had = member.given + member.skipped
    if (known === undefined) return void this.#waiting.set(member, { had, sinceMs: nowMs, overdue: new Overdue() })
    if (known.had !== had) {
      known.had = had
      known.sinceMs = nowMs
    }
    this.#judge.check(
      !known.overdue.see(nowMs - known.sinceMs > lag.ms, nowMs),
      "lag",
      () =>
        `${this.name}: ${member.stream.peer.unique} has waited for ${nowMs - known.sinceMs} ms, with ${lag.ms} allowed`,
    )
  }

  #checkHeld(): void {
    const { held } = this.topic
    this.#judge.check(
      held.bytes <= this.plan.bytesMax,
      "topic-held",
      () => `${this.name}: ${held.bytes} B of ${this.plan.bytesMax}`,
    )
    try {
      this.#inside.assertInvariants()
    } catch (error) {
      // What was kept of a topic that was closed is for nobody.
      if (!this.topic.isClosed) this.#judge.fail("topic-held", `${this.name}: ${String(error)}`)
    }
  }
}
