/** What some moves cost an endpoint: the dearest datagram, what it goes on doing afterwards, and what it holds. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { datagramsOf, move, type Move } from "./moves.ts"
import type { StepCounter } from "./steps.ts"
import { Victim } from "./victim.ts"

/** Datagrams of one run: what grows with each of them has grown enough by then. */
export const DATAGRAMS_MAX = 200
/** Afterwards the member sends a heartbeat each second and nothing else: first until what is usual is over. */
const SETTLE_SECONDS = 6
const REST_SECONDS = 2

export interface Work {
  /** Steps for the dearest datagram, with what follows from it at once, and which it was. */
  readonly steps: number
  readonly at: number
  /** Steps for a datagram in the mean. */
  readonly meanSteps: number
  /** Steps in a second in which nothing comes but a heartbeat. */
  readonly restSteps: number
  readonly sentBytes: number
}

/** A usual datagram: as many small messages as fit, in one packet each of a stream that goes on. */
export const USUAL: readonly Move[] = [move("open"), move("message", { count: 640, numberBy: 1, bytes: 100 })]

export async function workOf(moves: readonly Move[], counter: StepCounter): Promise<Work> {
  const victim = await Victim.make()
  let [steps, at, sum] = [0, -1, 0]
  const datagrams = datagramsOf(moves, DATAGRAMS_MAX)
  for (const [i, datagram] of datagrams.entries()) {
    const taken = await counter.count(() => victim.take(datagram))
    sum += taken
    if (taken > steps) [steps, at] = [taken, i]
  }
  await rest(victim, SETTLE_SECONDS)
  const resting = await counter.count(() => rest(victim, REST_SECONDS))
  const meanSteps = Math.round(sum / Math.max(1, datagrams.length))
  return { steps, at, meanSteps, restSteps: Math.round(resting / REST_SECONDS), sentBytes: victim.sentBytes }
}

const HEARTBEAT = datagramsOf([move("heartbeat")], 1)[0]!

async function rest(victim: Victim, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    await victim.take(HEARTBEAT)
    await victim.rest(999)
  }
}

/** Bytes that the endpoint holds more than before, once it was given all. */
export async function heldBy(moves: readonly Move[]): Promise<{ heldBytes: number; sentBytes: number }> {
  const victim = await Victim.make()
  const before = memory()
  for (const datagram of datagramsOf(moves, DATAGRAMS_MAX)) await victim.take(datagram)
  return { heldBytes: memory() - before, sentBytes: victim.sentBytes }
}

let collect: (() => void) | undefined

function memory(): number {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc")
    collect = runInNewContext("gc") as () => void
  }
  for (let i = 0; i < 3; i++) collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
