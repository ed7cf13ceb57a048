// Each call in each state of an outgoing stream, in each order of two, and twice: every promise settles, every event
// comes once, every account balances.

import {
  type Delivery,
  fixed,
  type IncomingStream,
  type OutgoingEnd,
  type OutgoingStream,
  type SendResult,
} from "@x/endpoint"
import { expect, test } from "vitest"
import { type Outcome, outcome } from "./outcome.ts"
import { makePair, pattern } from "./world.ts"

type World = Awaited<ReturnType<typeof makePair>>

/** A stream under test, and what became of it. */
interface Walk {
  readonly stream: OutgoingStream
  readonly aborting: AbortController
  readonly waits: { readonly call: string; readonly it: Outcome }[]
  readonly results: SendResult[]
  readonly ends: OutgoingEnd[]
  readonly drains: ("open" | "ending" | "closed")[]
}

function wait(walk: Walk, call: string, promise: Promise<unknown>): void {
  walk.waits.push({ call, it: outcome(promise) })
}

const BRIEF_MS = 50

const CALLS: Readonly<Record<string, (walk: Walk) => void>> = {
  trySend: ({ stream, results }) => results.push(stream.trySend(1, pattern(10))),
  trySendBriefly: ({ stream, results }) => results.push(stream.trySend(1, pattern(20_000), { timeoutMs: BRIEF_MS })),
  write: ({ stream, results }) =>
    results.push(stream.write(1, 10, (bytes, offset) => bytes.fill(1, offset, offset + 10))),
  send: (walk) => wait(walk, "send", walk.stream.send(1, pattern(10))),
  sendAbortable: (walk) =>
    wait(walk, "sendAbortable", walk.stream.send(1, pattern(20_000), { signal: walk.aborting.signal })),
  sendBriefly: (walk) => wait(walk, "sendBriefly", walk.stream.send(1, pattern(3_000), { timeoutMs: BRIEF_MS })),
  receipt: (walk) => {
    if (isAcknowledged(walk.stream.delivery))
      wait(walk, "receipt", walk.stream.send(1, pattern(10), { receipt: true, signal: walk.aborting.signal }))
  },
  flush: (walk) => wait(walk, "flush", walk.stream.flush()),
  flushBriefly: (walk) =>
    wait(walk, "flushBriefly", walk.stream.flush({ timeoutMs: BRIEF_MS, signal: walk.aborting.signal })),
  end: (walk) => wait(walk, "end", walk.stream.end()),
  endAbortable: (walk) => wait(walk, "endAbortable", walk.stream.end({ signal: walk.aborting.signal })),
  reset: ({ stream }) => stream.reset(),
  abort: ({ aborting }) => aborting.abort(),
}

const NAMES = Object.keys(CALLS)
/** Their results don't depend on which was called first. */
const ALIKE = ["flush", "end"]
const AMONG = ["flush", "end", "reset", "abort"]

function isAcknowledged(delivery: Delivery): boolean {
  return delivery !== "latest" && delivery !== "fire-and-forget"
}

interface State {
  /** From the beginning: its consumers take nothing. */
  readonly isStuck?: boolean
  /** Brings a stream into the state. */
  enter?(walk: Walk): void
  /** And then the world, once all streams are in it. */
  arrive?(world: World, incoming: readonly IncomingStream[]): void
  /** Releases what can go on; default: consumers take everything, and the network works. */
  leave?(world: World): void
}

const fillUp = ({ stream }: Walk): void => {
  for (let i = 0; i < 8; i++) stream.trySend(1, pattern(1_000))
}

const CUT: State = { enter: fillUp, arrive: ({ network }) => network.partition("a", "b") }

const STATES: Readonly<Record<string, State>> = {
  idle: {},
  "in flight": CUT,
  unreachable: {
    enter: fillUp,
    arrive: ({ network }) => network.partition("a", "b"),
  },
  ending: {
    enter: (walk) => (fillUp(walk), void walk.stream.end()),
    arrive: ({ network }) => network.partition("a", "b"),
  },
  resetting: {
    enter: (walk) => (fillUp(walk), walk.stream.reset()),
    arrive: ({ network }) => network.partition("a", "b"),
  },
  "stopped by the peer": { arrive: (_, incoming) => incoming.forEach((it) => it.stop(40_000)) },
  ended: { enter: ({ stream }) => void stream.end() },
  gone: { ...CUT, leave: () => {} },
}

const WAITING: Readonly<Record<string, State>> = {
  "window shut": { isStuck: true, enter: fillUp },
  parked: { isStuck: true, enter: (walk) => (fillUp(walk), fillUp(walk)) },
  full: { isStuck: true, enter: (walk) => [1, 2, 3, 4].forEach(() => fillUp(walk)) },
  "half sent": { ...CUT, enter: (walk) => CALLS["sendAbortable"]!(walk) },
  abandoning: {
    ...CUT,
    enter: (walk) => ["sendAbortable", "sendBriefly", "abort"].forEach((call) => CALLS[call]!(walk)),
  },
  "ending behind what is parked": {
    isStuck: true,
    enter: (walk) => (fillUp(walk), fillUp(walk), void walk.stream.end()),
  },
  "without memory": {
    enter: (walk) => (fillUp(walk), fillUp(walk)),
    arrive: ({ network }) => network.partition("a", "b"),
  },
}

/** A stream for each run of calls, all in one state; then the calls, and time. */
async function walkAll(
  seed: number,
  delivery: Delivery,
  name: string,
  runs: readonly (readonly string[])[],
  isLeft: boolean,
): Promise<Walk[]> {
  const state = (STATES[name] ?? WAITING[name])!
  const isStarved = name === "without memory"
  const world = await makePair(
    seed,
    { delayMs: 10 },
    {
      congestion: fixed(),
      windowPackets: 8,
      parkedMessagesMax: 16,
      queuedMessagesMax: 2,
      streamsMax: 1_000,
      ...(isStarved ? { sendPoolPacketsMax: 64 } : {}),
    },
  )
  const { network, a, b, toB } = world
  b.handle(1, () => {})
  const incoming: IncomingStream[] = []
  b.on("stream", (it) => {
    incoming.push(it)
    if (state.isStuck === true) it.pause()
  })
  const walks = runs.map((): Walk => {
    const stream = toB.open({ delivery })
    const walk: Walk = { stream, aborting: new AbortController(), waits: [], results: [], ends: [], drains: [] }
    stream.on("closed", (end) => void walk.ends.push(end))
    stream.on("drain", () => void walk.drains.push(stream.state))
    return walk
  })
  await network.advance(200)
  for (const walk of walks) state.enter?.(walk)
  state.arrive?.(world, incoming)
  await network.advance(name === "unreachable" ? 15_000 : 200)
  a.assertInvariants()
  runs.forEach((calls, i) => {
    for (const call of calls) {
      if (call === "leave") void toB.leave()
      else CALLS[call]!(walks[i]!)
    }
  })
  a.assertInvariants()
  await network.advance(3 * BRIEF_MS)
  a.assertInvariants()
  // Short waits are short, whatever the state.
  for (const { waits } of walks)
    for (const { call, it } of waits)
      if (call.endsWith("Briefly")) expect([name, call, it.value]).not.toContain("pending")
  if (state.leave === undefined) {
    network.heal()
    for (const it of incoming) it.resume()
  }
  await network.advance(name === "gone" ? 100_000 : 10_000)
  for (const walk of walks) {
    // Nothing that waits for others is left waiting.
    expect([name, walk.waits.filter(({ it }) => it.value === "pending").map(({ call }) => call)]).toEqual([name, []])
    if (walk.stream.state === "open") expect([name, walk.stream.account.pending]).toEqual([name, 0])
    void walk.stream.end()
  }
  await network.advance(10_000)
  for (const walk of walks) await expectOver(name, walk)
  expect([name, a.sizes.sendPool, isLeft || b.sizes.assemblyBytes === 0]).toEqual([name, 0, true])
  a.assertInvariants()
  return walks
}

const SETTLED = new Set([
  "resolved",
  "aborted",
  "timeout",
  "stream-closed",
  "not-joined",
  "dropped",
  "refused",
  "too-large",
])

async function expectOver(name: string, { stream, waits, ends, drains, results }: Walk): Promise<void> {
  const { accepted, acknowledged, unconfirmed, dropped } = stream.account
  expect([name, stream.state, ends.length, stream.account.pending]).toEqual([name, "closed", 1, 0])
  expect(accepted).toBe(acknowledged + unconfirmed + dropped)
  expect(await stream.closed).toEqual(ends[0])
  expect(ends[0]!.account).toEqual(stream.account)
  expect([stream.parked.messages, stream.parked.bytes, stream.unacknowledgedBytes]).toEqual([0, 0, 0])
  for (const { it } of waits) expect(SETTLED).toContain(it.value)
  // Room is reported when there is some, and not again and again.
  expect(drains.length).toBeLessThanOrEqual(2)
  for (const state of drains) expect(state).toBe("open")
  for (const result of results)
    expect(["sent", "parked", "dropped", "refused", "closed", "not-joined", "too-large"]).toContain(result)
}

const PAIRS = NAMES.flatMap((first) => NAMES.map((second) => [first, second]))

function outcomesOf(walk: Walk, call: string): string[] {
  return walk.waits.filter((wait) => wait.call === call).map(({ it }) => it.value)
}

test.each([
  ...Object.keys({ ...STATES, ...WAITING }).map((name) => ["reliable", name] as const),
  ...Object.keys({ ...STATES, ...WAITING }).map((name) => ["reliable-unordered", name] as const),
  ...(["fire-and-forget", "latest", "best-effort"] as const).flatMap((delivery) =>
    Object.keys(STATES).map((name) => [delivery, name] as const),
  ),
])("every two calls, in every order and twice, settle alike: %s, %s", async (delivery, name) => {
  const walks = await walkAll(1, delivery, name, PAIRS, false)
  const of = (first: string, second: string): Walk => walks[PAIRS.findIndex(([x, y]) => x === first && y === second)]!
  for (const call of ALIKE)
    for (const other of AMONG)
      expect([call, other, outcomesOf(of(call, other), call)]).toEqual([call, other, outcomesOf(of(other, call), call)])
  for (const call of NAMES)
    expect([call, new Set(outcomesOf(of(call, call), call)).size]).toEqual([
      call,
      expect.toBeOneOf([0, 1, ...(MAY_DIFFER.has(call) ? [2] : [])]),
    ])
  // A message on a stream that was ended or reset is refused, and the end doesn't disturb earlier ones.
  for (const end of ["end", "reset"]) expect(of(end, "trySend").results.at(-1)).toMatch(/closed|not-joined/)
  // And with a peer that is left before or after each.
  for (const runs of [NAMES.map((call) => [call, "leave"]), NAMES.map((call) => ["leave", call])])
    await walkAll(2, delivery, name, runs, true)
})

/** The first may get the room that is left. */
const MAY_DIFFER = new Set(["send", "sendAbortable", "sendBriefly", "receipt"])
