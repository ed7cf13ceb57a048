/** Moves that make an endpoint work or hold, by what they do. A search starts from them. */
import { MODE, RANGES_MAX } from "@x/wire"
import { type Move, move } from "./moves.ts"

const UNORDERED = MODE["reliable-unordered"]
const BEST_EFFORT = MODE["best-effort"]
const LARGE = 16_777_216

export interface CostCase {
  readonly name: string
  /** Whether it ends the association: that is paid once. */
  readonly endsIt?: boolean
  readonly moves: readonly Move[]
}

export const CASES: readonly CostCase[] = [
  {
    name: "first pieces of large messages on many streams",
    moves: [
      move("open", { count: 32, streamBy: 1 }),
      move("first-piece", { count: 32, streamBy: 1, bytes: LARGE }),
      move("open", { count: 32, stream: 100, streamBy: 1, mode: UNORDERED }),
      ...Array.from({ length: 16 }, (_, i) =>
        move("first-piece", { count: 32, stream: 100 + i, number: 0, numberBy: 1, mode: UNORDERED, bytes: LARGE }),
      ),
    ],
  },
  {
    name: "ranges that are gone, told again and again",
    moves: [
      move("open", { count: 8, streamBy: 1, mode: BEST_EFFORT }),
      ...Array.from({ length: 8 }, (_, i) =>
        move("sync", {
          stream: 1 + i,
          ranges: RANGES_MAX,
          spacing: 2 + (i % 3),
          count: 8,
          bytes: 4_000,
          mode: BEST_EFFORT,
        }),
      ),
    ],
  },
  {
    name: "ids of streams that are over",
    moves: [
      move("open", { count: 1_000, stream: 3, streamBy: 2 }),
      move("end", { count: 1_000, stream: 3, streamBy: 2 }),
      move("end", { count: 1_000, stream: 2_001, streamBy: -2 }),
      move("end", { count: 200, stream: 1_001, streamBy: 0 }),
    ],
  },
  {
    name: "one packet after another that asks for a status with thousands of gaps",
    moves: [
      move("open", { mode: UNORDERED }),
      move("message", { count: 2_000, number: 1, numberBy: 2, mode: UNORDERED }),
      move("sync", { count: 16, number: 0, bytes: 4_000, mode: UNORDERED, isAlone: true }),
    ],
  },
  {
    name: "feedback for what was never sent",
    endsIt: true,
    moves: [
      move("feedback", { count: 64, number: 1, numberBy: 400, bytes: 1_000 }),
      move("status", { count: 64, stream: 1, number: 1, numberBy: 400 }),
    ],
  },
  {
    name: "parts of packets that never become whole",
    moves: [
      move("open", { count: 8, streamBy: 1 }),
      move("part", { count: 100, streamBy: 0, number: 1, numberBy: 1, bytes: 60_000, spacing: 3 }),
    ],
  },
  {
    name: "messages that are abandoned behind a gap",
    moves: [
      move("open", { count: 2, streamBy: 1, mode: UNORDERED }),
      move("abandoned", { count: 2_000, stream: 1, number: 1, numberBy: 1, mode: UNORDERED }),
      move("abandoned", { count: 2_000, stream: 2, number: 1, numberBy: 1, mode: UNORDERED }),
    ],
  },
  {
    name: "holes in many reliable streams",
    moves: [move("open", { count: 1_024, streamBy: 1 }), move("sync", { count: 1_024, streamBy: 1, bytes: 1 })],
  },
  {
    name: "one packet at the far end of the spread, on each of many streams",
    moves: [
      move("open", { count: 512, streamBy: 1 }),
      move("message", { count: 512, streamBy: 1, number: 4_095 }),
      move("message", { count: 512, streamBy: 1, number: 16_383 }),
    ],
  },
  {
    name: "every second number where there is no order",
    moves: [
      move("open", { count: 2, streamBy: 1, mode: UNORDERED }),
      move("message", { count: 2_000, stream: 1, number: 1, numberBy: 2, mode: UNORDERED }),
      move("message", { count: 2_000, stream: 2, number: 1, numberBy: 2, mode: UNORDERED }),
      move("message", { count: 16, streamBy: 0, number: 2, numberBy: 2, mode: UNORDERED, isAlone: true }),
    ],
  },
  {
    name: "ranges that are gone, ever more of them",
    moves: [
      move("open", { count: 2, streamBy: 1, mode: BEST_EFFORT }),
      move("sync", {
        stream: 1,
        count: 16,
        ranges: RANGES_MAX,
        spacing: 4,
        numberBy: 256,
        bytes: 4_090,
        mode: BEST_EFFORT,
      }),
      move("sync", {
        stream: 2,
        count: 30,
        ranges: RANGES_MAX,
        spacing: 2,
        numberBy: 128,
        bytes: 4_090,
        mode: BEST_EFFORT,
      }),
      move("sync", {
        stream: 2,
        count: 30,
        ranges: RANGES_MAX,
        spacing: 2,
        numberBy: 128,
        bytes: 4_090,
        mode: BEST_EFFORT,
      }),
    ],
  },
  {
    name: "statuses of the same stream in one datagram",
    moves: [
      move("status", { count: 256, stream: 1, ranges: 0 }),
      move("status", { count: 64, stream: 1, ranges: 16, bytes: 1 }),
      move("status", { count: 64, stream: 3, ranges: RANGES_MAX, bytes: 1 }),
      move("status", { count: 64, stream: 2, ranges: 4, spacing: 7, number: 0, bytes: 1 }),
      move("status", { count: 64, stream: 3, ranges: 4, spacing: 100, number: 0, bytes: 0 }),
    ],
  },
  {
    name: "statuses of streams with long lists, asked for again and again",
    moves: [
      move("open", { count: 16, streamBy: 1, mode: BEST_EFFORT }),
      ...Array.from({ length: 16 }, (_, i) =>
        move("sync", {
          ...{ stream: 1 + i, count: 9, ranges: RANGES_MAX, spacing: 2, numberBy: 128, bytes: 4_090 },
          mode: BEST_EFFORT,
        }),
      ),
      ...Array.from({ length: 16 }, () => move("sync", { count: 16, streamBy: 1, bytes: 4_090, mode: BEST_EFFORT })),
    ],
  },
]
