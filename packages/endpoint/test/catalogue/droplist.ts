/** A conversation of two streams, one in each direction, that loses datagrams by their numbers. */
import { expect } from "vitest"
import { makePair } from "../world.ts"
import { Ledger, quiesce } from "./ledger.ts"

const DELAY_MS = 10
const RTT_MS = 2 * DELAY_MS
export const DATAGRAMS = 200
/** A gap counts as missing after a quarter of a round trip at the latest. */
const GRACE_MS = RTT_MS / 4
/** How late a message may be that was lost, or one of whose neighbours was. */
export const LATENESS_MAX_MS: number = GRACE_MS + 2 * RTT_MS
/** A probe shows a lost tail, at most this late (§8), and then a round trip follows. */
export const TAIL_LATENESS_MAX_MS: number = 100 + RTT_MS
/** Messages are written this far apart. */
const PACE_MS = 2

export interface Run {
  /** How late the latest message was, compared with a lossless path, and how late the last one. */
  readonly latestMs: number
  readonly tailMs: number
  readonly lost: number
}

export interface Loss {
  readonly direction: "a" | "b"
  /** The first lost datagram, from 1, and how many are lost. */
  readonly first: number
  readonly count: number
}

/** One message a turn in each direction, each in a datagram of its own. */
export async function converse({ direction, first, count }: Loss, messages: number): Promise<Run> {
  const { network, a, b, toB } = await makePair(1, { delayMs: DELAY_MS })
  const ledger = new Ledger(network, a, b)
  const there = ledger.open(toB)
  const back = ledger.open(b.peers[0]!)
  await network.advance(100)
  const start = { a: network.linkOf("a", "b").sent, b: network.linkOf("b", "a").sent }
  let lost = 0
  network.filter(({ from, index }) => {
    const at = index - start[direction] + 1
    const isLost = from === direction && at >= first && at < first + count
    if (isLost) lost++
    return !isLost
  })
  const sentMs: number[] = []
  for (let i = 0; i < messages; i++) {
    sentMs.push(network.now)
    for (const stream of [there, back]) expect(stream.trySend(100)).toBe("sent")
    await network.advance(PACE_MS)
  }
  await network.until(Promise.all([there.stream.flush(), back.stream.flush()]), 5_000)
  const lateness = [there, back].map(({ deliveredMs }) => deliveredMs.map((ms, i) => ms - sentMs[i]! - DELAY_MS))
  await quiesce(ledger)
  return { latestMs: Math.max(...lateness.flat()), tailMs: Math.max(...lateness.map((late) => late.at(-1)!)), lost }
}

/**
 * Loses each of the first datagrams of a direction, `count` in a row, in a separate conversation for each; returns how
 * late the latest message was.
 */
export async function sweep(direction: "a" | "b", count: number): Promise<number> {
  let [latestMs, late] = [0, 0]
  for (let first = 1; first <= DATAGRAMS - count + 1; first++) {
    const run = await converse({ direction, first, count }, DATAGRAMS + 20)
    const where = `${direction}, from datagram ${first}`
    expect({ where, lost: run.lost }).toEqual({ where, lost: count })
    expect({ where, isInTime: run.latestMs <= LATENESS_MAX_MS }).toEqual({ where, isInTime: true })
    latestMs = Math.max(latestMs, run.latestMs)
    if (run.latestMs > 0) late++
  }
  // Many of them carry data: their loss is noticed.
  expect(late).toBeGreaterThan(DATAGRAMS / 4)
  return latestMs
}
