/** What others do to an endpoint: programs of real processes, each with what it needs the endpoint to be. */
import { createSocket } from "node:dgram"
import { Endpoint, type EndpointOptions } from "@x/endpoint"
import { MODE, RANGES_MAX } from "@x/wire"
import { type Move, move } from "../cost/moves.ts"
import { Member, sleep, withoutFirst } from "./member.ts"
import type { VictimKind } from "./talk.ts"

const UNORDERED = MODE["reliable-unordered"]
const BEST_EFFORT = MODE["best-effort"]
const LARGE = 16_777_216
const SECRET = "0123456789abcdef0123456789abcdef"

export interface Attack {
  readonly name: string
  readonly victim?: VictimKind
  readonly options?: EndpointOptions
  /** Whether the attackers are stopped, not ended, once they have begun. */
  readonly isSuspended?: boolean
  run(port: number): Promise<void>
}

/** So many members say this, one after the other. */
function says(name: string, members: number, moves: readonly Move[], more: Partial<Attack> = {}): Attack {
  return {
    name,
    ...more,
    run: async (port) => {
      for (let i = 0; i < members; i++) await (await Member.join(port)).pour(moves)
    },
  }
}

/** One move for each of so many streams. */
function each(streams: number, make: (stream: number) => Move): Move[] {
  return Array.from({ length: streams }, (_, i) => make(i + 1))
}

export const ATTACKS: readonly Attack[] = [
  says("rings: a packet at the far end of the spread, on 4,096 streams of 4 members", 4, [
    move("open", { count: 4_096, streamBy: 1 }),
    move("message", { count: 4_096, streamBy: 1, number: 4_095 }),
    move("message", { count: 4_096, streamBy: 1, number: 16_383 }),
  ]),
  says("early packets: 16,000 of 1,000 B behind a gap, of 4 members", 4, [
    move("open", { count: 16, streamBy: 1 }),
    ...each(16, (stream) => move("message", { count: 1_000, stream, number: 1, numberBy: 1, bytes: 1_000 })),
  ]),
  says("gaps: every second number of 32 streams without order", 1, [
    move("open", { count: 32, streamBy: 1, mode: UNORDERED }),
    ...each(32, (stream) => move("message", { count: 8_000, stream, number: 1, numberBy: 2, mode: UNORDERED })),
  ]),
  says("holes: one missing packet on each of 4,096 streams", 1, [
    move("open", { count: 4_096, streamBy: 1 }),
    move("sync", { count: 4_096, streamBy: 1, bytes: 1 }),
  ]),
  says("gone: ranges that won't come, on 32 best-effort streams", 1, [
    move("open", { count: 32, streamBy: 1, mode: BEST_EFFORT }),
    ...each(32, (stream) =>
      move("sync", {
        ...{ stream, count: 64, ranges: RANGES_MAX, spacing: 4, numberBy: 256, bytes: 16_000, mode: BEST_EFFORT },
      }),
    ),
  ]),
  says("abandoned: pieces behind a gap, on 8 streams", 1, [
    move("open", { count: 8, streamBy: 1, mode: UNORDERED }),
    ...each(8, (stream) => move("abandoned", { count: 16_000, stream, number: 1, numberBy: 1, mode: UNORDERED })),
  ]),
  says("first pieces: of 16 MiB, on 512 streams of 8 members", 8, [
    move("open", { count: 512, streamBy: 1 }),
    move("first-piece", { count: 512, streamBy: 1, bytes: LARGE }),
  ]),
  says("loose first pieces: 200 datagrams of 16 MiB each", 4, [
    move("loose-first-piece", { count: 6_800, numberBy: 1, bytes: LARGE }),
  ]),
  says("assembly: pieces that lie apart, of 8 members", 8, [
    move("open", { count: 8, streamBy: 1, mode: UNORDERED }),
    ...each(8, (stream) => move("first-piece", { stream, bytes: LARGE, mode: UNORDERED })),
    ...each(8, (stream) =>
      move("middle-piece", { count: 400, stream, number: 1, numberBy: 3, bytes: 32_768, mode: UNORDERED }),
    ),
  ]),
  says("parts: of packets that never become whole, of 4 members", 4, [
    move("open", { count: 8, streamBy: 1 }),
    ...each(8, (stream) => move("part", { count: 400, stream, number: 1, numberBy: 1, bytes: 60_000, spacing: 3 })),
  ]),
  says("ids: every second stream is opened and ended", 2, [
    ...Array.from({ length: 20 }, (_, i) => [
      move("open", { count: 1_000, stream: 1 + 2_000 * i, streamBy: 2 }),
      move("end", { count: 1_000, stream: 1 + 2_000 * i, streamBy: 2 }),
      move("reset", { count: 1_000, stream: 1 + 2_000 * i, streamBy: 2 }),
    ]).flat(),
  ]),
  says("labels: of 1,000 B, on 8,192 streams of 2 members", 2, [
    move("open", { count: 8_192, streamBy: 1, bytes: 1_000 }),
  ]),
  says("unheard: 20,000 heartbeats that ask, and no feedback, of 8 members", 8, [move("heartbeat", { count: 20_000 })]),
  says(
    "optimistic: statuses and feedback for what was never sent",
    4,
    [
      move("status", { count: 400, stream: 1, number: 1, numberBy: 40 }),
      move("feedback", { count: 400, number: 1, numberBy: 40, bytes: 1_000 }),
    ],
    { victim: "broadcast" },
  ),
  says("silent: 80 members that are sent to and acknowledge nothing", 80, [], { victim: "broadcast" }),
  {
    name: "first packet: 8 members that get all but the first packet",
    victim: "broadcast",
    run: async (port) => {
      for (let i = 0; i < 8; i++) await withoutFirst(port)
      await sleep(5_000)
    },
  },
  {
    name: "suspended: 80 usual members whose process is stopped",
    victim: "broadcast",
    isSuspended: true,
    run: async (port) => {
      await members(port, 80)
      await sleep(2_000)
    },
  },
  {
    name: "queue: 4 MiB for a slow handler on a stream that ends, 100 times",
    victim: "slow",
    run: async (port) => {
      const [endpoint] = await members(port, 1)
      const message = new Uint8Array(65_536)
      const endMs = performance.now() + 15_000
      for (let i = 0; i < 100 && performance.now() < endMs; i++) {
        const stream = endpoint!.peers[0]!.open()
        for (let k = 0; k < 60 && performance.now() < endMs; k++)
          await stream.send(1, message, { timeoutMs: 2_000 }).catch(() => {})
        void stream.end().catch(() => {})
      }
    },
  },
  {
    name: "full house: 250 members from one host, with a message each",
    run: async (port) => {
      for (const endpoint of await members(port, 250)) await endpoint.peers[0]!.open().send(1, new Uint8Array(1_000))
    },
  },
  {
    name: "half open: 4 hosts with 250 joins each that are never confirmed",
    options: { v4: "0.0.0.0" },
    run: async (port) => {
      for (let host = 2; host < 6; host++)
        for (let i = 0; i < 25; i++) {
          const joins = Array.from({ length: 10 }, async () =>
            Member.join(port, { from: `127.0.0.${host}`, isConfirmed: false }).catch(() => {}),
          )
          await Promise.race([Promise.all(joins), sleep(1_000)])
        }
    },
  },
  {
    name: "forged joins: 20,000 a second for 5 s, with a wrong secret",
    options: { protection: "aead", secrets: [SECRET] },
    run: async (port) => {
      const sockets = await Promise.all(Array.from({ length: 64 }, async () => bound()))
      const join = new Uint8Array(200)
      const endMs = performance.now() + 5_000
      for (let sent = 0; performance.now() < endMs; await sleep(2))
        for (let i = 0; i < 40; i++, sent++) {
          crypto.getRandomValues(join.subarray(12))
          // Version and profile, a handshake, attempt 1.
          join.set([0x33, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
          sockets[sent % sockets.length]!.send(join.slice(), port, "127.0.0.1")
        }
    },
  },
]

async function bound(): Promise<ReturnType<typeof createSocket>> {
  const socket = createSocket("udp4")
  await new Promise<void>((done) => void socket.bind(0, "127.0.0.1", done))
  return socket
}

/** Usual endpoints that have joined. */
async function members(port: number, count: number): Promise<Endpoint[]> {
  const endpoints: Endpoint[] = []
  for (let i = 0; i < count; i++) {
    const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false, protection: "checksum" })
    endpoint.handle(1, () => {})
    await endpoint.join(`127.0.0.1:${port}`)
    endpoints.push(endpoint)
  }
  return endpoints
}
