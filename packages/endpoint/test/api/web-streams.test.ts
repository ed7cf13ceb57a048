// Payloads as web streams: each end learns at once what the other did, whatever either waits for.

import { defineMessage, fixed, type IncomingStream, json, type OutgoingStream, REASON } from "@x/endpoint"
import { Readable, Writable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { expect, expectTypeOf, test } from "vitest"
import { outcome, outcomes, valuesOf } from "../outcome.ts"
import { makePair, pattern } from "../world.ts"

interface Payload extends Awaited<ReturnType<typeof makePair>> {
  readonly stream: OutgoingStream
  readonly incoming: Promise<IncomingStream>
}

async function payload(seed: number, onStream: (it: IncomingStream) => void = () => {}): Promise<Payload> {
  const scene = await makePair(seed, { delayMs: 10 }, { congestion: fixed() })
  const incoming = new Promise<IncomingStream>((resolve) => {
    scene.b.on("stream", (it) => {
      onStream(it)
      resolve(it)
    })
  })
  return { ...scene, stream: scene.toB.open(), incoming }
}

const pause = (it: IncomingStream): void => it.pause()
/** The messages are kept for later readers. */
const read = (it: IncomingStream): unknown => it.readable

/** A source without an end. */
function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(100_000)) })
}

/** What holds once a payload was given up: nothing of it is kept, and the reader knows. */
async function expectGivenUp({ network, a, stream, incoming }: Payload): Promise<void> {
  expect([stream.state, stream.parked.bytes, stream.unacknowledgedBytes, a.sizes.sendPool]).toEqual(["closed", 0, 0, 0])
  expect(stream.account.pending).toBe(0)
  const it = await incoming
  it.resume()
  const readable = it.readable.getReader()
  const reading = outcome(
    (async () => {
      while (!(await readable.read()).done);
    })(),
  )
  await network.advance(100)
  expect(await network.until(it.closed)).toMatchObject({ isComplete: false, reason: REASON.aborted })
  expect(reading.value).toBe("stream-closed")
}

test("aborting a payload whose reader takes nothing resets it at once, and frees its memory", async () => {
  const scene = await payload(1, pause)
  const { network, stream } = scene
  const writer = stream.writable(1).getWriter()
  const waits = outcomes([writer.write(pattern(20_000_000)), writer.write(pattern(10)), writer.closed])
  await network.advance(5_000)
  expect([valuesOf(waits), stream.parked.messages, stream.unacknowledgedBytes > 0]).toEqual([
    ["pending", "pending", "pending"],
    1,
    true,
  ])
  const aborts = outcomes([writer.abort(new Error("changed my mind")), writer.abort()])
  await network.advance(0)
  expect(valuesOf(aborts)).toEqual(["resolved", "resolved"])
  expect(valuesOf(waits)).toEqual(["stream-closed", "Error: changed my mind", "Error: changed my mind"])
  await expectGivenUp(scene)
})

test("aborting a payload that waits for its end to be answered resets it at once", async () => {
  const scene = await payload(2)
  const { network, stream } = scene
  const writer = stream.writable(1).getWriter()
  const waits = outcomes([writer.write(pattern(1_000)), writer.closed])
  await network.advance(1_000)
  network.partition("a", "b")
  const closing = outcome(writer.close())
  await network.advance(1_000)
  expect([valuesOf(waits), closing.value]).toEqual([["resolved", "pending"], "pending"])
  const aborting = outcome(writer.abort(new Error("changed my mind")))
  await network.advance(0)
  // By the standard both end as the close does.
  expect([closing.value, aborting.value, waits[1]!.value]).toEqual([
    "stream-closed",
    "stream-closed",
    "Error: changed my mind",
  ])
  network.heal()
  await expectGivenUp(scene)
})

test("a pipeline of Node into a payload whose reader takes nothing ends as its signal aborts", async () => {
  const scene = await payload(3, pause)
  const { network, stream } = scene
  const aborting = new AbortController()
  const source = Readable.fromWeb(endless() as never)
  const piping = outcome(pipeline(source, Writable.fromWeb(stream.writable(1)), { signal: aborting.signal }))
  await network.advance(5_000)
  expect(piping.value).toBe("pending")
  aborting.abort()
  await network.advance(1)
  expect([piping.value, source.destroyed]).toEqual(["AbortError: The operation was aborted", true])
  await expectGivenUp(scene)
})

test("pipeTo into a payload whose reader takes nothing ends as its signal aborts, when the payload has the signal too", async () => {
  const scene = await payload(4, pause)
  const { network, stream } = scene
  const aborting = new AbortController()
  const { signal } = aborting
  const piping = outcome(endless().pipeTo(stream.writable(1, { signal }), { signal }))
  await network.advance(5_000)
  expect(piping.value).toBe("pending")
  aborting.abort(new Error("changed my mind"))
  await network.advance(1)
  expect(piping.value).not.toBe("pending")
  await expectGivenUp(scene)
})

test("a payload whose signal has aborted already is reset, and who writes to it hears so", async () => {
  const scene = await payload(5)
  const { network, stream } = scene
  const writer = stream.writable(1, { signal: AbortSignal.abort() }).getWriter()
  const waits = outcomes([writer.write(pattern(1)), writer.closed])
  await network.advance(0)
  expect([valuesOf(waits), stream.state]).toEqual([["stream-closed", "stream-closed"], "closed"])
})

test("a source that fails, a chunk that is none, and a payload left open say what they are to its reader", async () => {
  for (const [how, act] of [
    ["a source that fails", (it) => failing().pipeTo(it)],
    ["a chunk that is none", (it) => it.getWriter().write("text" as never)],
  ] as [string, (it: WritableStream<Uint8Array>) => Promise<void>][]) {
    const scene = await payload(6, read)
    scene.stream.trySend(1, pattern(10))
    await scene.network.advance(100)
    const writing = outcome(act(scene.stream.writable(1)))
    await scene.network.advance(100)
    expect([how, writing.value]).toEqual([how, expect.stringMatching(/^Error: broken|^TypeError: a chunk is/)])
    await expectGivenUp(scene)
  }
  // Left open by a caller that asked for that.
  const { network, stream, incoming } = await payload(7, read)
  const writable = stream.writable(1)
  const piping = outcome(failing().pipeTo(writable, { preventAbort: true }))
  await network.advance(100)
  expect([piping.value, stream.state]).toEqual(["Error: broken", "open"])
  const { readable, closed } = await incoming
  let bytes = 0
  const reading = outcome(readable.pipeTo(new WritableStream({ write: (chunk) => void (bytes += chunk.length) })))
  const closing = outcome(writable.close())
  const { isComplete } = await network.until(closed)
  await network.advance(100)
  expect([closing.value, reading.value, bytes, isComplete]).toEqual(["resolved", "resolved", 3_000, true])
})

function failing(): ReadableStream<Uint8Array> {
  let chunks = 0
  return new ReadableStream({
    pull(controller) {
      if (chunks++ > 2) controller.error(new Error("broken"))
      else controller.enqueue(pattern(1_000))
    },
  })
}

test.each<[string, string, (scene: Payload) => unknown]>([
  ["its reader cancels", "stream-closed", async ({ incoming }) => void (await incoming).readable.cancel()],
  ["its reader stops it", "stream-closed", async ({ incoming }) => (await incoming).stop()],
  ["the peer leaves", "not-joined", ({ b }) => void b.peers[0]!.leave()],
  // It stops its streams before it says goodbye.
  ["the peer closes", "stream-closed", ({ b }) => void b.close()],
  ["the peer is gone", "not-joined", ({ network }) => network.partition("a", "b")],
  ["we close", "not-joined", ({ a }) => void a.close()],
  ["the stream is reset beside it", "stream-closed", ({ stream }) => stream.reset()],
  ["the stream is ended beside it", "stream-closed", ({ stream }) => void stream.end()],
])("who has a payload open and writes nothing hears that it is over: %s", async (_, code, act) => {
  const scene = await payload(8, read)
  const { network, b, stream } = scene
  b.handle(1, () => {})
  const writer = stream.writable(1).getWriter()
  const idle = outcome(writer.closed)
  await network.until(writer.write(pattern(10)))
  await network.advance(100)
  expect(idle.value).toBe("pending")
  await act(scene)
  await network.advance(120_000)
  expect([idle.value, outcome(writer.ready)]).toEqual([code, expect.anything()])
  const late = outcomes([writer.write(pattern(1)), writer.close(), writer.abort()])
  await network.advance(0)
  expect(valuesOf(late)).toEqual([code, expect.stringContaining("TypeError"), "resolved"])
})

test("who reads a payload and asks for nothing hears that it is over", async () => {
  for (const [end, value] of [
    ["end", "resolved"],
    ["reset", "stream-closed"],
  ] as const) {
    const { network, stream, incoming } = await payload(9, read)
    stream.trySend(1, pattern(10))
    await network.advance(50)
    const reader = (await incoming).readable.getReader()
    const idle = outcome(reader.closed)
    expect((await network.until(reader.read())).value).toEqual(pattern(10))
    await network.advance(1_000)
    expect(idle.value).toBe("pending")
    void stream[end]()
    await network.advance(1_000)
    expect([end, idle.value]).toEqual([end, value])
  }
})

test("the end of a payload overtakes none of its chunks, whoever reads when", async () => {
  for (const chunks of [1, 2, 5]) {
    for (const eager of [true, false]) {
      const { network, stream, incoming } = await payload(10, read)
      // All of them and the end come in one batch.
      for (let i = 0; i < chunks; i++) stream.trySend(1, pattern(10, i))
      void stream.end().catch(() => {})
      const chunksRead: Uint8Array[] = []
      const reading = (async () => {
        const reader = (await incoming).readable.getReader()
        for (let step = await reader.read(); !step.done; step = await reader.read()) {
          chunksRead.push(step.value)
          if (!eager) await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      await network.until(reading)
      expect(chunksRead).toEqual(Array.from({ length: chunks }, (_, i) => pattern(10, i)))
    }
  }
})

test("the last chunk and the end come to a reader that waits for a chunk one after the other, though they are known at once", async () => {
  const { network, stream, incoming } = await payload(12, read)
  stream.trySend(1, pattern(10))
  await network.advance(50)
  const reader = (await incoming).readable.getReader()
  const idle = outcome(reader.closed)
  await network.until(reader.read())
  const reading = reader.read()
  // The end overtakes the data, and counts once the data is there.
  stream.trySend(1, pattern(20))
  void stream.end()
  expect((await network.until(reading)).value).toEqual(pattern(20))
  await network.advance(0)
  expect(idle.value).toBe("resolved")
})

test("a payload is cancelled at once: while a chunk is waited for, with chunks waiting, after its end, and twice", async () => {
  for (const when of ["waiting", "behind", "ended", "twice"]) {
    const { network, stream, incoming } = await payload(11, read)
    for (let i = 0; i < 3; i++) stream.trySend(1, pattern(10, i))
    await network.advance(50)
    const it = await incoming
    const reader = it.readable.getReader()
    if (when === "waiting") for (let i = 0; i < 3; i++) await network.until(reader.read())
    const reading = outcome(when === "waiting" ? reader.read() : Promise.resolve())
    if (when === "ended") void stream.end().catch(() => {})
    await network.advance(100)
    const cancels = outcomes([reader.cancel(), ...(when === "twice" ? [reader.cancel()] : [])])
    await network.advance(0)
    expect([when, reading.value, ...new Set(valuesOf(cancels))]).toEqual([when, "resolved", "resolved"])
    expect((await network.until(reader.read())).done).toBe(true)
    const end = await network.until(it.closed, 1_000)
    expect([when, end.isComplete]).toEqual([when, false])
    await network.advance(100)
    expect(stream.state).toBe("closed")
  }
})

const ORDER = defineMessage(1, json<{ id: number }>())

test("a web stream of a defined type takes values, each a message, and ends as one of bytes does", async () => {
  const { network, b, stream, incoming } = await payload(20)
  const got: number[] = []
  b.handle(ORDER, ({ id }) => got.push(id))
  const writable = stream.writable(ORDER)
  expectTypeOf(writable).toEqualTypeOf<WritableStream<{ id: number }>>()
  expectTypeOf(stream.writable(1)).toEqualTypeOf<WritableStream<Uint8Array>>()
  const ids = Array.from({ length: 2_000 }, (_, id) => id)
  await network.until(ReadableStream.from(ids.map((id) => ({ id }))).pipeTo(writable))
  expect(got).toEqual(ids)
  expect(await network.until((await incoming).closed)).toMatchObject({ isComplete: true })
  expect(() => stream.writable({ type: 1 } as never)).toThrow(RangeError)
})

test("a value that its codec refuses, or that is too large, errors the web stream, and the reader is told that it is incomplete", async () => {
  for (const [value, code] of [
    [undefined, "invalid-option"],
    [{ id: "x".repeat(20_000_000) }, "too-large"],
  ] as const) {
    const scene = await payload(21, read)
    const writer = scene.stream.writable(ORDER).getWriter()
    const waits = outcomes([writer.write({ id: 1 }), writer.write(value as never), writer.closed])
    await scene.network.advance(100)
    expect(valuesOf(waits)).toEqual(["resolved", code, "stream-closed"])
    await expectGivenUp(scene)
  }
})
