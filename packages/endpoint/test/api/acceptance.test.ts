import { type Delivery, MODES, REASON } from "@x/wire"
import { expect, test } from "vitest"
import { Acceptance } from "../../src/api/acceptance.ts"

type Parts = ConstructorParameters<typeof Acceptance>

/** A stream of a mode, as far as it matters whether it accepts a message. */
class World {
  readonly peer = { state: "joined", unique: "0123456789abcdef" }
  readonly stream: { state: string; wasReset: boolean; reason: number }
  readonly sender = { isEnded: false }
  readonly acceptance: Acceptance

  constructor(delivery: Delivery = "reliable") {
    const traits = Object.values(MODES).find(({ name }) => name === delivery)
    this.stream = {
      ...{ state: "open", wasReset: false, reason: REASON.aborted, traits, windowPackets: 4, payloadBytesMax: 1_014 },
    }
    const state = { stream: this.stream, sender: this.sender }
    this.acceptance = new Acceptance(this.peer as Parts[0], { messageBytesMax: 10_000 }, state as unknown as Parts[2])
  }

  /** What a message of this many bytes is refused for, and the error that says so. */
  refusal(bytes: number): [string, string] | undefined {
    const refusal = this.acceptance.refusal(bytes)
    return refusal && [refusal, this.acceptance.errorOf(refusal, bytes).code]
  }
}

test("a stream that waits accepts what both ends take; one that doesn't only what fits its window", () => {
  const [waiting, other] = [new World(), new World("latest")]
  expect([waiting.acceptance.messageBytesMax, other.acceptance.messageBytesMax]).toEqual([10_000, 4_000])
  expect([waiting.refusal(10_000), waiting.refusal(10_001)]).toEqual([undefined, ["too-large", "too-large"]])
  expect([other.refusal(4_000), other.refusal(4_001)]).toEqual([undefined, ["too-large", "too-large"]])
})

test("the cure for a message that is too large is another where the stream doesn't wait", () => {
  expect(new World().acceptance.errorOf("too-large", 1).message).toContain("raise messageBytesMax at both ends")
  expect(new World("latest").acceptance.errorOf("too-large", 1).message).toContain("raise windowBytes")
})

test("an ended stream says so, one that was reset why, and one whose peer has left that it has", () => {
  const it = new World()
  it.sender.isEnded = true
  expect([it.acceptance.state, it.refusal(1)]).toEqual(["ending", ["closed", "stream-closed"]])
  expect(it.acceptance.closedError.message).toContain("was ended")
  Object.assign(it.stream, { state: "resetting", wasReset: true })
  expect([it.acceptance.state, it.refusal(1)]).toEqual(["closed", ["closed", "stream-closed"]])
  expect(it.acceptance.closedError.message).toContain("aborted")
  it.stream.state = "closed"
  it.peer.state = "left"
  expect([it.acceptance.state, it.refusal(1)]).toEqual(["closed", ["not-joined", "not-joined"]])
  expect(it.acceptance.closedError.code).toBe("not-joined")
})
