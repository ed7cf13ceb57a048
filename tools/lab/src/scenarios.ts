/** The scenarios by name. */

import type { Case, PathCase, Scenario } from "./cases.ts"
import { possibleMbit } from "./judge.ts"
import { alike, bdpBytes, type Direction } from "./settings.ts"

const KIB = 1_024
const MBIT = 1e6
const ALL = ["x", "tcp-cubic", "tcp-bbr", "udx"]

/** A long round trip needs longer until the rate is found. */
const pathCase = (
  name: string,
  link: Direction,
  figure: PathCase["figure"],
  more: Partial<PathCase> = {},
): PathCase => ({
  kind: "path",
  name,
  path: alike(link),
  hasNat: false,
  bytes: KIB,
  perSecond: 0,
  warmMs: 4_000,
  runMs: 6_000,
  changes: [],
  possibleMbit: possibleMbit(link, more.bytes ?? KIB),
  figure,
  ...more,
})

/** 500 Mbit/s, 20 ms there and back, a queue of one bandwidth-delay product; the loss is before the queue. */
const lossy = (percent: number): Direction => ({
  rate: 500 * MBIT,
  delayMs: 10,
  queueBytes: bdpBytes(500 * MBIT, 20),
  lossBefore: percent / 100,
})

const fairness = (mbit: number, bdps: number, words: string, beside: string): PathCase => {
  const rate = mbit * MBIT
  const queueBytes = Math.max(1_500, Math.round(bdps * bdpBytes(rate, 40)))
  return pathCase(`${mbit} Mbit/s, queue ${words}, beside ${beside}`, { rate, delayMs: 20, queueBytes }, "share", {
    beside,
    warmMs: 30_000,
    runMs: 10_000,
  })
}

const FAIRNESS: readonly Case[] = ["tcp-cubic", "tcp-bbr"].flatMap((beside) =>
  [10, 100].flatMap((mbit) => [
    fairness(mbit, 1 / 3, "1/3 BDP", beside),
    fairness(mbit, 1, "1 BDP", beside),
    fairness(mbit, 4, "4 BDP", beside),
  ]),
)

/** 100 Mbit/s, 20 ms there and back. */
const plain: Direction = { rate: 100 * MBIT, delayMs: 10, queueBytes: bdpBytes(100 * MBIT, 20) }

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "loss",
    title: "one stream of 1 KiB messages, 500 Mbit/s, 20 ms, packets lost each way",
    libraries: ALL,
    cases: [1, 5, 10].map((percent) => pathCase(`${percent} %`, lossy(percent), "mbit")),
    note: "Mbit/s of messages. Possible: the rate without headers of IP and UDP, framing, and what is lost.",
  },
  {
    name: "latency",
    title: "1 KiB at 1,000/s, 500 Mbit/s, 20 ms, 1 % lost each way",
    libraries: ALL,
    cases: [pathCase("1 %", lossy(1), "p99Ms", { perSecond: 1_000 })],
    note: "One way, from when a message was due until it was delivered; one clock. The path alone takes 10 ms.",
  },
  {
    name: "wire",
    title: "no delay, 1 % lost each way, between two namespaces joined by a veth pair",
    libraries: ALL,
    cases: [
      { kind: "bench", name: "1 KiB flat out", lossPercent: 1, bytes: KIB, perSecond: 0, figure: "perSecond" },
      { kind: "bench", name: "64 B at 20,000/s", lossPercent: 1, bytes: 64, perSecond: 20_000, figure: "p99Ms" },
    ],
    note: "The bench's W6-1-2 and W6-1-5 with default options. The kernel loses the packets: no relay carries as many.",
  },
  {
    name: "fairness",
    title: "beside one TCP flow, 40 ms, from its 30th second on",
    libraries: ["x", "tcp-cubic", "tcp-bbr", "udx"],
    cases: FAIRNESS,
    note: "Share of what both flows got together: a half is fair. The other flow begins 1 s earlier.",
  },
  {
    name: "rebind",
    title: "100 Mbit/s, 20 ms; a NAT gives the sender other ports, or the sender's address changes",
    libraries: ALL,
    cases: [
      pathCase("other port each 5 s", plain, "gapMs", {
        hasNat: true,
        runMs: 15_000,
        changes: [5_000, 10_000].map((atMs) => ({ atMs, change: { what: "rebind" } })),
      }),
      pathCase("other port each 50 ms", plain, "gapMs", {
        hasNat: true,
        changes: [
          { atMs: 1_000, change: { what: "rebind-every", everyMs: 50 } },
          { atMs: 4_000, change: { what: "rebind-every", everyMs: 0 } },
        ],
      }),
      pathCase("our address changes", plain, "gapMs", {
        runMs: 13_000,
        changes: [{ atMs: 2_000, change: { what: "move", flow: 0 } }],
      }),
    ],
    note: "The longest silence at the receiver after the change; done: messages still arrive in the last second.",
  },
  {
    name: "mtu",
    title: "100 Mbit/s, 20 ms; packets above 1,280 B, then above 700 B, are lost without a word",
    libraries: ALL,
    cases: [
      pathCase("1500, 1280, 700", { ...plain, mtu: 1_500 }, "gapMs", {
        runMs: 15_000,
        changes: [
          { atMs: 3_000, change: { what: "path", direction: { mtu: 1_280 } } },
          { atMs: 9_000, change: { what: "path", direction: { mtu: 700 } } },
        ],
      }),
    ],
    note: "As for rebind, and Mbit/s in the last second before each change and before the end.",
  },
]
