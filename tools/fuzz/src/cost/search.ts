/** Looks for moves that cost more: alters the dearest known ones, and keeps what costs more still. */
import type { Random } from "@x/transport/simulated"
import { pick } from "@x/testkit"
import { COUNT_MAX, type Move, move, MOVES } from "./moves.ts"

const NUMBERS = [0, 1, 2, 63, 64, 1_023, 1_024, 4_095, 4_096, 8_192, 16_383, 16_384, 65_535, 1_000_000]
const BYTES = [0, 1, 2, 100, 1_000, 1_100, 2_000, 60_000, 1_048_576, 16_777_216]
const MOVES_MAX = 12

/** One or two alterations. */
export function mutate(random: Random, moves: readonly Move[], others: readonly Move[]): Move[] {
  const out = [...moves]
  for (let left = 1 + random.below(2); left > 0; left--) {
    const at = random.below(out.length + 1)
    const what = random.below(10)
    if (what === 0 && out.length < MOVES_MAX) out.splice(at, 0, draw(random))
    else if (what === 1 && out.length < MOVES_MAX) out.splice(at, 0, pick(random, others))
    else if (what === 2 && out.length > 1) out.splice(Math.min(at, out.length - 1), 1)
    else {
      const place = random.below(out.length)
      out[place] = alter(random, out[place]!)
    }
  }
  return out
}

function draw(random: Random): Move {
  let drawn = move(pick(random, MOVES))
  for (let i = 0; i < 4; i++) drawn = alter(random, drawn)
  return drawn
}

function alter(random: Random, it: Move): Move {
  switch (random.below(9)) {
    case 0:
      return { ...it, count: Math.max(1, Math.min(COUNT_MAX, pick(random, [1, 16, 64, it.count * 2, it.count >> 1]))) }
    case 1:
      return { ...it, stream: pick(random, [1, 2, 3, 5, 7, 100, it.stream + 1]) }
    case 2:
      return { ...it, streamBy: pick(random, [0, 0, 1, 2]) }
    case 3:
      return { ...it, number: pick(random, NUMBERS) }
    case 4:
      return { ...it, numberBy: pick(random, [0, 1, 2, 3, 64, 400]) }
    case 5:
      return { ...it, mode: random.below(5) }
    case 6:
      return { ...it, bytes: pick(random, BYTES) }
    case 7:
      return { ...it, ranges: pick(random, [0, 1, 8, 32, 64]), spacing: pick(random, [2, 3, 7, 64]) }
    default:
      return { ...it, isAlone: !it.isAlone }
  }
}
