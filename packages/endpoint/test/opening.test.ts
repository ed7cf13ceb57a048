/** Streams whose opening is late or lost, and the labels that openings carry. */

import { expect, test } from "vitest"
import * as wire from "@x/wire"
import { makePair, pattern } from "./world.ts"

test("a stream whose opening was lost for long ends as soon as that is heard", async () => {
  const { network, b, toB } = await makePair(10, { delayMs: 5 }, { unreachableMs: 30_000 })
  b.handle(1, () => {})
  network.partition("a", "b")
  const stream = toB.open({ delivery: "latest" })
  stream.trySend(1, pattern(10))
  await network.advance(500)
  const ending = stream.end()
  await network.advance(5_000)
  let opened = 0
  b.on("stream", () => opened++)
  network.heal()
  await network.when(() => opened === 1, 1_100)
  // The end is repeated once a second too, and earlier ones were dropped: it doesn't wait for its turn.
  await network.until(ending, 50)
})

test("a stream whose opening is lost while a sync gets through is announced with its label", async () => {
  const { network, toB, b } = await makePair(3, { delayMs: 5 })
  let opens = 0
  let synced = false
  network.filter(({ to, bytes }) => {
    if (to !== "b") return true
    const d = wire.describeDatagram(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length, 1)
    if (d.packets.some((p) => p.kind === "sync")) synced = true
    if (!synced && d.packets.some((p) => p.kind === "open")) {
      opens++
      return false
    }
    if (!synced && d.packets.some((p) => p.kind === "sequenced")) return false
    return true
  })
  const labels: string[] = []
  b.on("stream", (st) => labels.push(st.label))
  b.handle(1, () => {})
  const s = toB.open({ label: "x" })
  s.trySend(1, pattern(10))
  await network.until(s.flush(), 60_000)
  await network.advance(5_000)
  expect([labels, opens]).toEqual([["x"], opens])
})

test("a stream whose opening is late loses nothing, however many were finished since", async () => {
  const { network, toB, b } = await makePair(9)
  const got: number[] = []
  b.handle(1, ({ length }) => got.push(length))
  const first = toB.open()
  first.trySend(1, pattern(1))
  first.end().catch(() => {})
  await network.advance(100)
  let hold = true
  network.filter(
    ({ to, bytes }) =>
      !(
        hold &&
        to === "b" &&
        wire
          .describeDatagram(new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length, 1)
          .packets.some((p) => p["stream"] === 3)
      ),
  )
  toB
    .open()
    .end()
    .catch(() => {})
  await network.advance(100)
  const late = toB.open()
  late.trySend(1, pattern(77))
  await network.advance(2_000)
  for (let round = 0; round < 1100; round++) {
    toB.open()
    toB
      .open()
      .end()
      .catch(() => {})
    if (round % 20 === 0) await network.advance(20)
  }
  await network.advance(900)
  hold = false
  await network.until(late.end())
  expect(got.filter((n) => n === 77)).toEqual([77])
})

test("a label that no datagram to the peer can carry is refused", async () => {
  const { toB } = await makePair(14, { delayMs: 5 }, { datagramBytes: 548 })
  expect(() => toB.open({ label: "x".repeat(484) })).toThrow("label must have at most 483 bytes")
  expect(toB.open({ label: "x".repeat(483) }).label.length).toBe(483)
})

test("a label that came late is told once it is there", async () => {
  const { network, b, toB } = await makePair(8)
  const labels: string[] = []
  b.handle(1, ({ stream }) => labels.push(stream.label))
  let lost = 0
  network.filter(({ from, bytes }) => from !== "a" || !Buffer.from(bytes).includes("the label") || ++lost > 1)
  const stream = toB.open({ delivery: "fire-and-forget", label: "the label" })
  stream.trySend(1, pattern(10))
  await network.advance(1_000)
  stream.trySend(1, pattern(10))
  await network.advance(100)
  expect(labels).toEqual(["", "the label"])
})
