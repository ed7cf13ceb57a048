// How long transfers take on the paths by which picoquic and C4 (draft-huitema-ccwg-c4-spec) are judged, and how late
// media are, with their bounds: from the first datagram of the join until all has arrived. They count no headers of IP,
// UDP and Ethernet, so links carry ours on top of the rate named.

import { bbr, lossBased } from "@x/endpoint"
import type { LinkOptions, Network } from "@x/transport/simulated"
import { makeRig } from "../congestion/rig.ts"
import { makePair, makeWorld, PORT } from "../world.ts"
import { atMost, type Bound, row } from "./row.ts"

const AROUND = (1_452 + 46) / 1_452
const PIECE_BYTES = 100_000

/** A link each way. The queue is as long as the rate needs so many milliseconds for. */
function linkOf(mbits: number, rttMs: number, queueMs: number, more: LinkOptions = {}): LinkOptions {
  const rateBitsPerSecond = mbits * 1e6 * AROUND
  return { delayMs: rttMs / 2, rateBitsPerSecond, queueBytes: (rateBitsPerSecond * queueMs) / 8_000, ...more }
}

interface Transfer {
  readonly link: LinkOptions
  /** The way back; default: as the way there. */
  readonly back?: LinkOptions
  readonly bytes: number
  /** What happens later, by when. */
  readonly changes?: readonly (readonly [number, (network: Network) => void])[]
}

/** Seconds until all has arrived. */
async function transfer(seed: number, { link, back = link, bytes, changes = [] }: Transfer): Promise<number> {
  const { network, bind } = makeWorld(seed, link)
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  network.link("b", "a", back)
  // Seeds differ by when it begins.
  await network.advance(seed)
  const startMs = network.now
  let received = 0
  let doneMs = Infinity
  b.handle(1, ({ length }) => {
    received += length
    if (received >= bytes) doneMs = network.now
  })
  const send = async (): Promise<void> => {
    const stream = (await a.join(`b:${PORT}`)).open()
    const piece = new Uint8Array(PIECE_BYTES)
    for (let sent = 0; sent < bytes; sent += PIECE_BYTES) await stream.send(1, piece)
    await stream.flush()
  }
  const sending = send()
  for (const [atMs, change] of changes) {
    if (doneMs < Infinity) break
    await network.advance(startMs + atMs - network.now)
    change(network)
  }
  await network.until(sending, 300_000)
  return (doneMs - startMs) / 1_000
}

const links =
  (link: LinkOptions) =>
  (network: Network): void => {
    network.links(link)
    network.link("a", "b", link)
    network.link("b", "a", link)
  }

/** Rates that hold from these times on, milliseconds. */
function steps(
  rttMs: number,
  queueMs: number,
  rates: readonly (readonly [number, number])[],
): NonNullable<Transfer["changes"]> {
  return rates.map(([atMs, mbits]) => [
    atMs,
    links(mbits === 0 ? linkOf(10, rttMs, queueMs, { lossRate: 1 }) : linkOf(mbits, rttMs, queueMs)),
  ])
}

const MB = 1_000_000
const lists: readonly (readonly [string, Bound, Transfer])[] = [
  ["C4: 10 MB, 20 Mbit/s, 80 ms", atMost(5), { link: linkOf(20, 80, 80), bytes: 10 * MB }],
  ["C4: 20 MB, 200 Mbit/s, 40 ms", atMost(1.5, 1.25), { link: linkOf(200, 40, 40), bytes: 20 * MB }],
  [
    "C4: 100 MB, 250 Mbit/s, 600 ms (theirs knows the path before)",
    atMost(20, 7.4),
    { link: linkOf(250, 600, 600), bytes: 100 * MB },
  ],
  [
    "C4: 10 MB, 25 Mbit/s, 80 ms, nothing from 2 s to 4 s",
    atMost(6.5, 6.1),
    {
      link: linkOf(25, 80, 80),
      bytes: 10 * MB,
      changes: [
        [2_000, links(linkOf(25, 80, 80, { lossRate: 1 }))],
        [4_000, links(linkOf(25, 80, 80))],
      ],
    },
  ],
  [
    "picoquic: 4 MB, 10 Mbit/s, 80 ms, nothing from 2 s to 4 s",
    atMost(6.5, 6),
    {
      link: linkOf(10, 80, 80),
      bytes: 4 * MB,
      changes: steps(80, 80, [
        [2_000, 0],
        [4_000, 10],
      ]),
    },
  ],
  [
    "picoquic: 4 MB, 10, from 1.5 s to 3.5 s 5, then 10 Mbit/s, 80 ms",
    atMost(6, 5),
    {
      link: linkOf(10, 80, 80),
      bytes: 4 * MB,
      changes: steps(80, 80, [
        [1_500, 5],
        [3_500, 10],
      ]),
    },
  ],
  [
    "picoquic: 4 MB, 5, from 2.5 s on 10 Mbit/s, 80 ms",
    atMost(6.5, 5.5),
    { link: linkOf(5, 80, 160), bytes: 4 * MB, changes: steps(80, 80, [[2_500, 10]]) },
  ],
  [
    "picoquic: 4 MB, 10, from 1 s to 3 s 1, then 10 Mbit/s, 10 ms",
    atMost(7),
    {
      link: linkOf(10, 10, 15),
      bytes: 4 * MB,
      changes: steps(10, 15, [
        [1_000, 1],
        [3_000, 10],
      ]),
    },
  ],
  [
    "picoquic: 4 MB, 10 Mbit/s, 10 ms, held for 0.2 s each 2 s",
    atMost(4),
    {
      link: linkOf(10, 10, 300),
      bytes: 4 * MB,
      changes: [1_800, 3_800].map((atMs) => [atMs, (network: Network) => network.clog("a", "b", 200)]),
    },
  ],
  [
    "picoquic: 100 MB, 250 Mbit/s there and 3 back, 600 ms",
    atMost(20, 5.5),
    { link: linkOf(250, 600, 600), back: linkOf(3, 600, 600), bytes: 100 * MB },
  ],
  [
    "picoquic: the same, 1 % lost",
    atMost(25, 8),
    { link: linkOf(250, 600, 600, { lossRate: 0.01 }), back: linkOf(3, 600, 600), bytes: 100 * MB },
  ],
  [
    "picoquic: 100 MB, 50 Mbit/s there and 10 back, 600 ms",
    atMost(25, 18.2),
    { link: linkOf(50, 600, 600), back: linkOf(10, 600, 600), bytes: 100 * MB },
  ],
  [
    "picoquic: 100 MB, 10 Mbit/s there and 2 back, 600 ms",
    atMost(90, 81.5),
    { link: linkOf(10, 600, 600), back: linkOf(2, 600, 600), bytes: 100 * MB },
  ],
]
for (const [name, bound, options] of lists)
  row(name, options.bytes > 20 * MB ? 0 : 1, { "done after, s": bound }, async (seed) => ({
    "done after, s": await transfer(seed, options),
  }))

// Jitter of a bad Wi-Fi is no drawing between two bounds, so here are the controllers alone.

/** A number by Poisson's distribution. */
function poisson(mean: number, random: () => number): number {
  let count = 0
  for (let product = random(); product > Math.exp(-mean); product *= random()) count++
  return count
}

/** Theirs for a jitter of so many milliseconds. */
const wifiJitter =
  (jitterMs: number) =>
  (random: () => number): number =>
    random() < (jitterMs - 1) / 90 ? 7.5 * poisson(12, random) : poisson(1, random)

const DATAGRAMS = (4 * MB) / 1_160

for (const [name, most, rttMs, jitter] of [
  ["a bad Wi-Fi, 2 ms", atMost(15, 4.3), 2, () => 12.5],
  [
    "a Wi-Fi that fades from 1 s to 3 s, 10 ms",
    atMost(6.2),
    10,
    (nowMs: number) => (nowMs >= 1_000 && nowMs < 3_000 ? 12 : 1),
  ],
] as const)
  row(`C4: 4 MB, 10 Mbit/s, ${name}`, 2, { "done after, s": most }, (seed) => {
    const rig: ReturnType<typeof makeRig> = makeRig({
      ...{ seed, mbits: 10 * AROUND, rttMs, queueBytes: 100_000, flows: [{ congestion: bbr(), datagrams: DATAGRAMS }] },
      jitterMs: (random) => wifiJitter(jitter(rig.nowMs))(random),
    })
    rig.run(20_000)
    return { "done after, s": rig.flows[0]!.doneMs / 1_000 }
  })

for (const [other, congestion] of [
  ["another of ours", bbr],
  ["CUBIC", lossBased],
] as const)
  row(`C4: 5 MB beside 10 MB of ${other}, 20 Mbit/s, 80 ms`, 2, { "done after, s": atMost(8, 6.7) }, (seed) => {
    const flows = [
      { congestion: bbr(), datagrams: (5 * MB) / 1_160, startMs: 10 * seed },
      { congestion: congestion(), datagrams: (10 * MB) / 1_160, startMs: (37 * seed) % 100 },
    ]
    const rig = makeRig({ seed, mbits: 20 * AROUND, rttMs: 80, queueBytes: 200_000, flows })
    rig.run(30_000)
    return { "done after, s": (rig.flows[0]!.doneMs - 10 * seed) / 1_000 }
  })

/** Speech, 50 datagrams of 80 B a second, and two videos of 30 pictures: how late they are, milliseconds. */
async function media(seed: number, link: LinkOptions): Promise<number[]> {
  const { network, b, toB } = await makePair(seed, link)
  const tookMs: number[] = []
  b.handle(1, ({ view, offset }) => tookMs.push(network.now - view.getFloat64(offset)))
  const streams = [
    { stream: toB.open({ priority: 200 }), bytes: 80, everyMs: 20 },
    { stream: toB.open({ priority: 150 }), bytes: 3_750, everyMs: 100 / 3 },
    { stream: toB.open({ priority: 100 }), bytes: 6_250, everyMs: 100 / 3 },
  ]
  for (let ms = 0; ms < 20_000; ms++) {
    for (const { stream, bytes, everyMs } of streams) {
      if (Math.floor(ms / everyMs) === Math.floor((ms - 1) / everyMs)) continue
      const message = new Uint8Array(bytes)
      new DataView(message.buffer).setFloat64(0, network.now)
      stream.trySend(1, message)
    }
    await network.advance(1)
  }
  await network.advance(500)
  return tookMs
}

for (const [name, link, mean, most] of [
  ["100 Mbit/s, 30 ms", linkOf(100, 30, 100), 31, 79],
  ["10 Mbit/s, 40 ms", linkOf(10, 40, 100), 47, 160],
] as const)
  row(`C4: media at 2.4 Mbit/s, ${name}`, 1, { "mean, ms": atMost(mean), "most, ms": atMost(most) }, async (seed) => {
    const tookMs = await media(seed, link)
    return { "mean, ms": tookMs.reduce((x, y) => x + y) / tookMs.length, "most, ms": Math.max(...tookMs) }
  })
