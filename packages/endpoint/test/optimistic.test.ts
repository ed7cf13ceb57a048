// Peers that acknowledge what they never got, so as to be sent more than the path carries.

import { bbr, type CongestionFactory, type Endpoint, lossBased, type Peer, REASON } from "@x/endpoint"
import { ReceiveStream } from "@x/stream"
import type { Feedback, Status } from "@x/wire"
import { afterEach, describe, expect, test, vi } from "vitest"
import { Association } from "../src/path/association.ts"
import { random } from "./congestion/rig.ts"
import { group } from "./members.ts"
import { PORT } from "./world.ts"

const DELAY_MS = 20
const BYTES_PER_MS = 125
const QUEUE_BYTES = 65_536
const LINK = { delayMs: DELAY_MS, rateBitsPerSecond: 8_000 * BYTES_PER_MS, queueBytes: QUEUE_BYTES }
const RTT_MS = 2 * DELAY_MS + QUEUE_BYTES / BYTES_PER_MS
/** A rate is measured over this time. */
const STEP_MS = 40
const SEEDS = Array.from({ length: 20 }, (_, seed) => seed + 1)

afterEach(() => void vi.restoreAllMocks())

interface Attacker {
  /** Since the attack began. */
  readonly elapsedMs: number
  /** By the counters of what it got. */
  readonly nonces: ReadonlyMap<number, number>
  /** From 0 to below 1. */
  draw(): number
}

/** What an attacker makes of its honest feedback. */
type Lie = (feedback: Feedback, attacker: Attacker) => void

/** All that was sent so far has come, whatever has. */
const informed: Lie = (feedback, { draw }) => {
  const { missing } = feedback
  for (let i = 0; i < missing.count; i++)
    for (let counter = missing.edges[2 * i]!; counter < missing.edges[2 * i + 1]!; counter++)
      if (draw() < 0.5) feedback.proof ^= 1 << (counter & 31)
  missing.count = 0
  feedback.datagrams = feedback.counter
}

/** Half of what is lost has come. */
const modest: Lie = (feedback, { draw }) => {
  const { missing } = feedback
  let kept = 0
  for (let i = 0; i < missing.count; i++) {
    const [from, to] = [missing.edges[2 * i]!, missing.edges[2 * i + 1]!]
    if (i % 2 === 0) {
      missing.edges[2 * kept] = from
      missing.edges[2 * kept++ + 1] = to
    } else for (let counter = from; counter < to; counter++) if (draw() < 0.5) feedback.proof ^= 1 << (counter & 31)
  }
  missing.count = kept
}

/** So many datagrams in each millisecond have come, whatever was sent. */
const blind =
  (perMs: number): Lie =>
  (feedback, { draw, elapsedMs }) => {
    feedback.counter = feedback.datagrams = Math.max(1, Math.floor(perMs * elapsedMs))
    feedback.reach = Math.min(1_000, feedback.counter - 1)
    feedback.missing.count = 0
    feedback.proof = Math.floor(draw() * 2 ** 32)
    feedback.holdUs = 0xffff_ffff
  }

/** One more datagram has come, each time. */
const careful = (): Lie => {
  let counter = 0
  return (feedback, { draw }) => {
    feedback.counter = feedback.datagrams = ++counter
    feedback.reach = feedback.missing.count = 0
    feedback.proof = draw() < 0.5 ? 1 << (counter & 31) : 0
  }
}

interface Result {
  /** The longest time for which more than 1.5 times the rate of the path was sent. */
  readonly fastMs: number
  /** When the association ended, after so much time; `undefined`: it didn't. */
  readonly endedMs: number | undefined
  readonly reason: number | undefined
  /** Bytes sent after that. */
  readonly afterBytes: number
  readonly victim: Endpoint
}

/** The victim sends as much as it may, to a peer that lies from the beginning. `isDeaf`: nothing comes there. */
async function attack(
  seed: number,
  congestion: CongestionFactory,
  lie: Lie | undefined,
  isDeaf = false,
): Promise<Result> {
  vi.restoreAllMocks()
  const { network, keyless } = group(seed)
  const victim = await keyless("victim", { congestion })
  const evil = await keyless("evil")
  const toVictim = await network.until(evil.join(`victim:${PORT}`))
  await network.advance(100)
  const toEvil = victim.peers[0]!
  network.link("victim", "evil", isDeaf ? { ...LINK, lossRate: 1 } : LINK)
  network.link("evil", "victim", { delayMs: DELAY_MS })
  const beganMs = network.now
  const draw = random(seed)
  const nonces = new Map<number, number>()
  const received = Association.prototype.received
  vi.spyOn(Association.prototype, "received").mockImplementation(function (this: Association, arrival, nowMs) {
    // Its own association is the one that it began.
    if (this.isOurs) nonces.set(arrival.counter, arrival.nonce)
    return received.call(this, arrival, nowMs)
  })
  const honest = Association.prototype.feedback
  vi.spyOn(Association.prototype, "feedback").mockImplementation(function (
    this: Association,
    nowMs: number,
    feedback: Feedback,
    roomBytes?: number,
  ) {
    honest.call(this, nowMs, feedback, roomBytes)
    if (this.isOurs && lie !== undefined) lie(feedback, { elapsedMs: nowMs - beganMs + 1, nonces, draw })
  })
  let ended: { atMs: number; reason: number } | undefined
  victim.on("left", (_: Peer, { reason }: { reason: number }) => (ended ??= { atMs: network.now - beganMs, reason }))
  const stream = toEvil.open({ delivery: "fire-and-forget" })
  const chunk = new Uint8Array(1_000)
  let sentBytes = victim.stats().transport.bytesSent
  let [fastMs, runMs, afterBytes] = [0, 0, 0]
  for (let ms = 0; ms < 4_000; ms += STEP_MS) {
    for (let step = 0; step < STEP_MS; step += 5) {
      // Each of its datagrams has feedback.
      if (lie !== undefined) void toVictim.ping().catch(() => {})
      for (let i = 0; i < 200 && stream.state === "open"; i++) if (stream.trySend(1, chunk) !== "sent") break
      await network.advance(5)
    }
    const { bytesSent } = victim.stats().transport
    const bytes = bytesSent - sentBytes
    sentBytes = bytesSent
    runMs = bytes > 1.5 * BYTES_PER_MS * STEP_MS ? runMs + STEP_MS : 0
    fastMs = Math.max(fastMs, runMs)
    const sinceMs = ended === undefined ? 0 : network.now - beganMs - ended.atMs
    if (sinceMs > STEP_MS) afterBytes += bytes
    if (sinceMs > 1_000) break
  }
  return {
    ...{ fastMs, afterBytes, victim, endedMs: ended?.atMs, reason: ended?.reason },
  }
}

describe.each<[string, CongestionFactory]>([
  ["bbr", bbr()],
  ["CUBIC", lossBased()],
])("%s", (name, congestion) => {
  test.each<[string, () => Lie, boolean]>([
    ["informed", () => informed, false],
    ["blind, of 0.4 datagrams in a millisecond", () => blind(0.4), true],
    ["blind, of 40 datagrams in a millisecond", () => blind(40), true],
    ["blind and careful", careful, true],
  ])(
    "a peer %s gets more than the path carries for a round trip at most, and is left",
    async (kind, makeLie, isDeaf) => {
      const results: Result[] = []
      for (const seed of SEEDS) results.push(await attack(seed, congestion, makeLie(), isDeaf))
      const worst = (of: (result: Result) => number): number => Math.max(...results.map(of))
      console.log(
        `${name}, ${kind}: above 1.5 × for ${worst(({ fastMs }) => fastMs)} ms, left after ${worst(({ endedMs }) => endedMs ?? Infinity)} ms`,
      )
      for (const { fastMs, reason, afterBytes, victim } of results) {
        expect(fastMs).toBeLessThanOrEqual(RTT_MS)
        expect(reason).toBe(REASON.falseAcknowledgement)
        // Goodbyes, and answers to joins.
        expect(afterBytes).toBeLessThan(10_000)
        const { drops } = victim.stats()
        expect(drops["not-received"] + drops["not-sent"]).toBe(1)
      }
    },
    300_000,
  )

  test("a peer that conceals every second loss, as long as it guesses well, gains nothing", async () => {
    for (const seed of SEEDS) {
      const { fastMs, reason } = await attack(seed, congestion, modest)
      expect(fastMs).toBeLessThanOrEqual(RTT_MS)
      expect([undefined, REASON.falseAcknowledgement]).toContain(reason)
    }
  }, 300_000)

  test("a peer that proves the newest datagram alone hides no loss by that", async () => {
    const newest: Lie = (feedback, { nonces }) => {
      const { counter } = feedback
      feedback.missing.count = feedback.reach = 0
      feedback.proof = (nonces.get(counter) ?? 0) << (counter & 31)
    }
    for (const seed of SEEDS.slice(0, 5)) {
      const { fastMs, endedMs } = await attack(seed, congestion, newest)
      expect([endedMs, fastMs <= RTT_MS]).toEqual([undefined, true])
    }
  }, 120_000)

  test("an honest peer is never left, and its rate is that of the path", async () => {
    for (const seed of SEEDS.slice(0, 5)) {
      const { fastMs, endedMs } = await attack(seed, congestion, undefined)
      expect([endedMs, fastMs <= RTT_MS]).toEqual([undefined, true])
    }
  }, 120_000)
})

test("a status of what was never sent ends the association too, with a reason that both sides know", async () => {
  const { network, keyless } = group(1)
  const victim = await keyless("victim")
  const evil = await keyless("evil")
  await network.until(evil.join(`victim:${PORT}`))
  await network.advance(100)
  const reasons: number[] = []
  for (const endpoint of [victim, evil]) endpoint.on("left", (_, { reason }) => void reasons.push(reason))
  const stream = victim.peers[0]!.open()
  stream.trySend(1, new Uint8Array(10))
  await network.until(stream.flush())
  const honest = ReceiveStream.prototype.pollStatus
  vi.spyOn(ReceiveStream.prototype, "pollStatus").mockImplementation(function (
    this: ReceiveStream,
    nowMs: number,
    status: Status,
    rangesMax?: number,
  ) {
    const isDue = honest.call(this, nowMs, status, rangesMax)
    status.cumulative += 2
    return isDue
  })
  stream.trySend(1, new Uint8Array(10))
  await network.advance(500)
  expect(reasons).toEqual([REASON.falseAcknowledgement, REASON.falseAcknowledgement])
  expect([victim.stats().drops["not-sent"], victim.peers.length]).toEqual([1, 0])
})
