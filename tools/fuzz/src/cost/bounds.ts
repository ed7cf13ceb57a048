/**
 * What a datagram may cost at most, whatever it says, in steps: ten times a usual one. And the search for one that
 * costs more.
 */
import type { Random } from "@x/transport/simulated"
import { heldBy, USUAL, type Work, workOf } from "./cost.ts"
import type { Move } from "./moves.ts"
import { mutate } from "./search.ts"
import type { StepCounter } from "./steps.ts"

/** A datagram costs at most so many usual ones. */
const COST_MAX = 10
/**
 * In a second in which nothing comes but a heartbeat, an endpoint does at most so many usual datagrams more than it
 * does without the moves: less than 1 % of a core.
 */
const REST_MAX = 100
/** Bytes held for each byte that came, and what the runtime takes for itself and what is kept of a peer in any case. */
const HELD_PER_BYTE_MAX = 128
const HELD_BYTES_SPARE = 8_388_608
/** How many are kept in a search, and how many of them, the dearest, are altered. */
const POOL_MAX = 24
const FROM_MAX = 8

export interface Judged {
  readonly moves: readonly Move[]
  readonly work: Work
  /** The dearest datagram, in usual ones. */
  readonly cost: number
  /** A second of rest, in usual datagrams. */
  readonly rest: number
  /** The greater of both, as a share of its bound. */
  readonly share: number
}

export class CostBounds {
  readonly #counter: StepCounter
  /** Steps of a usual datagram, and of a second of an endpoint whose member has nothing to say. */
  readonly usualSteps: number
  readonly idleSteps: number

  private constructor(counter: StepCounter, usualSteps: number, idleSteps: number) {
    this.#counter = counter
    this.usualSteps = usualSteps
    this.idleSteps = idleSteps
  }

  static async measure(counter: StepCounter): Promise<CostBounds> {
    const usual = await workOf(USUAL, counter)
    const idle = await workOf([], counter)
    return new CostBounds(counter, usual.meanSteps, idle.restSteps)
  }

  async judge(moves: readonly Move[]): Promise<Judged> {
    const work = await workOf(moves, this.#counter)
    const cost = work.steps / this.usualSteps
    const rest = Math.max(0, work.restSteps - this.idleSteps) / this.usualSteps
    return { moves, work, cost, rest, share: Math.max(cost / COST_MAX, rest / REST_MAX) }
  }

  /** Bytes held for each byte that came, beyond what the runtime takes: a share of the bound. */
  async judgeMemory(moves: readonly Move[]): Promise<{ readonly heldBytes: number; readonly share: number }> {
    const { heldBytes, sentBytes } = await heldBy(moves)
    return { heldBytes, share: (heldBytes - HELD_BYTES_SPARE) / (HELD_PER_BYTE_MAX * sentBytes) }
  }

  /**
   * Alters what is known again and again, and goes on from what costs more. Ends with the first that is beyond a bound,
   * or after so many tries; returns the dearest.
   */
  async search(
    random: Random,
    known: readonly Judged[],
    tries: number,
    endMs: number = Infinity,
  ): Promise<{ tries: number; dearest: Judged }> {
    const others = known.flatMap(({ moves }) => moves)
    let pool = byShare(known)
    for (let i = 0; i < tries && performance.now() < endMs; i++) {
      const from = pool[random.below(Math.min(pool.length, FROM_MAX))]!
      const judged = await this.judge(mutate(random, from.moves, others))
      pool = byShare([...pool, judged]).slice(0, POOL_MAX)
      if (judged.share > 1) return { tries: i + 1, dearest: judged }
    }
    return { tries, dearest: pool[0]! }
  }
}

function byShare(judged: readonly Judged[]): Judged[] {
  return judged.toSorted((a, b) => b.share - a.share)
}

export function describeCost({ moves, work, cost, rest }: Judged): string {
  return `${cost.toFixed(1)} usual datagrams for datagram ${work.at}, ${rest.toFixed(2)} in a second of rest, by ${JSON.stringify(moves)}`
}
