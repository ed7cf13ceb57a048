// When all that was promised has happened, and how long it may take: seen by processes that are made up.

import type { EndpointOptions } from "@x/endpoint"
import { expect, test } from "vitest"
import {
  convergenceBounds,
  type ConvergingProcess,
  isConverged,
  isHeldInVain,
  pathAllowanceMs,
  pendingOf,
  sendingBounds,
  unfinished,
} from "../src/convergence.ts"

const OPTIONS: EndpointOptions = {
  ...{ windowPackets: 10, sendPoolPacketsMax: 4_000, sendPoolPacketsPerPeer: 1_000, queuedMessagesMax: 1_000 },
  ...{ messageBytesMax: 100_000, assemblyBytesPerPeer: 200_000 },
}
const PATH = { delayMs: 20, jitterMs: 5 }

interface MadeStream {
  readonly delivery?: string
  readonly state?: string
  readonly unanswered?: number
  readonly pending?: number
  readonly bytes?: number
}

interface MadeProcess {
  readonly peers?: number
  readonly peerState?: string
  readonly rttMs?: number
  readonly windowBytes?: number
  readonly queued?: number
  readonly stream?: MadeStream
}

/** One of two processes. By default it is joined with the other, and has nothing to do. */
function made(it: MadeProcess = {}): ConvergingProcess {
  const { peers = 1, peerState = "joined", rttMs = 0, windowBytes = 1_000_000, queued = 0, stream } = it
  const all = Array.from({ length: peers }, () => ({
    ...{ unique: "22", state: peerState },
    stats: () => ({ rttMs, windowBytes }),
  }))
  const { delivery = "reliable", state = "open", unanswered = 0, pending = 0, bytes = 0 } = stream ?? {}
  const open = {
    ...{ name: "s1", unanswered },
    stream: {
      ...{ peer: all[0], delivery, state, account: { pending } },
      ...{ parked: { bytes: bytes / 2 }, unacknowledgedBytes: bytes / 2 },
    },
  }
  return {
    ...{ name: "n0", unique: "11", peers: new Set(all) },
    incoming: new Set([{ queued: { messages: queued } }]),
    open: new Set(stream === undefined ? [] : [open]),
  } as unknown as ConvergingProcess
}

function isOver(it: MadeProcess, isHeard = true): boolean {
  return isConverged([made(), made(it)], isHeard)
}

test("where all are joined and nothing is to do, it is over", () => {
  expect(isOver({})).toBe(true)
  expect(isOver({ stream: {} })).toBe(true)
})

test.each<[string, MadeProcess]>([
  ["a peer is missing", { peers: 0 }],
  ["there is one too many", { peers: 2 }],
  ["messages wait for their consumer", { queued: 1 }],
  ["a call is unanswered", { stream: { unanswered: 1 } }],
  ["a message is pending", { stream: { pending: 1 } }],
])("it isn't over while %s", (_, it) => {
  expect([isOver(it, false), isOver(it, true)]).toEqual([false, false])
})

test("a peer that is silent for a while counts only where it has to be heard", () => {
  expect([isOver({ peerState: "unreachable" }, false), isOver({ peerState: "unreachable" }, true)]).toEqual([
    true,
    false,
  ])
})

test.each([
  ["latest", true],
  ["fire-and-forget", true],
  ["best-effort", false],
  ["reliable", false],
])("to a silent peer a stream that is %s needs no answer: %s", (delivery, isUnpromised) => {
  expect(isOver({ peerState: "unreachable", stream: { delivery, unanswered: 1 } }, false)).toBe(isUnpromised)
})

test("nothing is expected of a closed stream, nor that all of a latest one was acknowledged", () => {
  expect(isOver({ stream: { state: "closed", pending: 1 } })).toBe(true)
  expect(isOver({ stream: { delivery: "latest", pending: 1 } })).toBe(true)
  expect(isOver({ stream: { state: "closed", unanswered: 1 } })).toBe(false)
})

test("what is missing is named", () => {
  expect(unfinished([made(), made({ peers: 0 })])).toBe("n0 11 has peers none")
  expect(unfinished([made(), made({ peerState: "unreachable" })])).toContain("22 unreachable")
  expect(unfinished([made(), made({ stream: { unanswered: 2, pending: 3 } })])).toBe(
    "s1: 2 unanswered, 3 pending, open",
  )
  expect(unfinished([made(), made({ queued: 1 })])).toBe("messages wait for their consumers")
})

/** A process that holds others, by their names. */
function holder(unique: string, ...peers: string[]): ConvergingProcess {
  return { unique, peers: new Set(peers.map((it) => ({ unique: it }))) } as unknown as ConvergingProcess
}

test.each<[boolean, string, ConvergingProcess[], string[]]>([
  [
    true,
    "who has moved is held by one that it doesn't know",
    [holder("1", "3"), holder("2", "1"), holder("3", "1")],
    ["1"],
  ],
  [false, "it knows all that hold it", [holder("1", "2"), holder("2", "1"), holder("3")], ["1"]],
  [false, "it holds one that doesn't know it: it can ask", [holder("1", "2"), holder("2")], ["1"]],
  [false, "nobody has moved: a hint tells", [holder("1"), holder("2", "1")], []],
  [false, "another has moved", [holder("1"), holder("2", "1")], ["2"]],
  [false, "it is over", [holder("2", "1"), holder("3", "1")], ["1"]],
])("a peer is held in vain, %s: %s", (isVain, _, processes, moved) => {
  expect(isHeldInVain(processes, new Set(moved))).toBe(isVain)
})

test("an idle network has ten round trips and a second", () => {
  expect(convergenceBounds([made(), made()], PATH, OPTIONS)).toEqual({ strictMs: 1_500, boundMs: 1_500 })
})

test("an endpoint that takes the path for longer has longer, but no leave to be late", () => {
  expect(convergenceBounds([made({ rttMs: 300 }), made()], PATH, OPTIONS)).toEqual({ strictMs: 1_500, boundMs: 4_000 })
})

test("what is pending has twice its time on the link, what is queued there included", () => {
  const link = { ...PATH, rateBitsPerSecond: 8_000_000, queueBytes: 1_000 }
  const stream = { bytes: 9_000 }
  const { strictMs } = convergenceBounds([made({ stream }), made()], link, OPTIONS)
  expect(strictMs).toBe(1_500 + 2 * 10)
})

test.each<[string, MadeProcess, Partial<EndpointOptions>]>([
  ["the window of its stream", { stream: { bytes: 20_000 } }, {}],
  ["the window to its peer", { stream: { bytes: 20_000 }, windowBytes: 5_000 }, { windowPackets: 1_000 }],
  ["the memory to its peer", { stream: { bytes: 20_000 } }, { windowPackets: 1_000, sendPoolPacketsPerPeer: 10 }],
  [
    "the part of all memory that it gets",
    { stream: { bytes: 24_000 } },
    { windowPackets: 1_000, sendPoolPacketsMax: 32 },
  ],
  ["the queue of its consumer", { stream: { pending: 2_000 } }, {}],
])("what is pending has twice as many round trips as it takes by %s", (_, it, options) => {
  // Four round trips of 50 ms.
  expect(convergenceBounds([made(it), made()], PATH, { ...OPTIONS, ...options })).toEqual({
    strictMs: 1_500,
    boundMs: 1_500 + 2 * 4 * 50,
  })
})

test.each([
  // 20 slots in all, less those of the other stream: a fifth at least.
  ["nothing else is pending", 0, { assemblyBytesPerPeer: 100_000 }, 4],
  ["another stream's packets have a part of the slots", 5_000, { assemblyBytesPerPeer: 100_000 }, 8],
  ["they have most of them", 15_000, { assemblyBytesPerPeer: 100_000 }, 20],
  ["they have most, and the message is larger", 15_000, { assemblyBytesPerPeer: 60_000, messageBytesMax: 60_000 }, 20],
  ["the receiver has memory for two", 15_000, {}, 5.5],
] as const)(
  "a message that alone has memory at its receiver goes in the slots that are left where %s",
  (_, bytes, it, rounds) => {
    const [peer] = made().peers
    const options = {
      ...OPTIONS,
      windowPackets: 1_000,
      sendPoolPacketsPerPeer: 20,
      queuedMessagesMax: 1_000_000,
      ...it,
    }
    const pending = [40_000, bytes].map((each) => ({ peer: peer!, messages: 0, bytes: each }))
    const { boundMs } = sendingBounds([{ peers: [peer!], pending }], PATH, options)
    expect(boundMs).toBe(1_500 + 2 * rounds * 50)
  },
)

test("what others send has the bounds of what is sent on streams that a process opened", () => {
  const it = made({ stream: { pending: 2_000, bytes: 20_000 } })
  const pending = [...it.open].map(({ stream }) => pendingOf(stream))
  expect(pending.map(({ messages, bytes }) => [messages, bytes])).toEqual([[2_000, 20_000]])
  const bounds = sendingBounds([{ peers: it.peers, pending }], PATH, OPTIONS)
  expect(bounds).toEqual(convergenceBounds([it], PATH, OPTIONS))
  expect(bounds.boundMs).toBeGreaterThan(1_500)
})

test("incarnations that are over and can't be met where they were known are left out of account", () => {
  const it = made({ peerState: "unreachable", rttMs: 300, stream: { unanswered: 1, pending: 3, bytes: 20_000 } })
  const gone = new Set(["22"])
  // Nobody else is there: of two processes, each has to have one more.
  expect(isConverged([it], true)).toBe(false)
  expect(isConverged([it], true, gone)).toBe(true)
  expect(isConverged([it, it], true, gone)).toBe(false)
  expect(isConverged([it], true, new Set(["11"]))).toBe(false)
  expect(convergenceBounds([it], PATH, OPTIONS, gone)).toEqual({ strictMs: 1_500, boundMs: 1_500 })
})

test("only what has just happened to paths and addresses allows more time", () => {
  const calm = { isNarrow: false, elsewhereMs: undefined, isSuspected: false }
  const cases = [
    [calm, 0],
    [{ ...calm, isSuspected: true }, 0],
    [{ ...calm, isNarrow: true }, 5_000],
    [{ ...calm, elsewhereMs: 600 }, 600],
    [{ isNarrow: true, elsewhereMs: 600, isSuspected: true }, 5_000 + 600 + 2_500],
  ] as const
  for (const [state, ms] of cases) expect(pathAllowanceMs(state)).toBe(ms)
})
