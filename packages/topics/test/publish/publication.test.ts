// Who begins where, who holds the others up, who skips and who is out: without streams, with time as an argument.
import { expect, test } from "vitest"
import { MessageLog } from "../../src/log/log.ts"
import { Account } from "../../src/publish/account.ts"
import { type DroppedOut, Publication, type Rules } from "../../src/publish/publication.ts"
import type { Beginning } from "../../src/wire/message.ts"

const RULES: Rules = { slow: "drop-out", lag: { messages: 3, ms: 100 }, keep: 2, bytesMax: 1_000_000 }

interface Scene {
  readonly publication: Publication
  /** Publishes at a time; those in `quick` take it at once. Returns whether it was admitted, and who is out. */
  publish(nowMs: number, ...quick: readonly Account[]): { isAdmitted: boolean; out: DroppedOut<Account>[] }
  join(beginning: Beginning["at"], nowMs?: number): Account
  take(account: Account, nowMs: number, messages?: number): void
}

function scene(rules: Partial<Rules> = {}): Scene {
  const publication = new Publication(new MessageLog(), "log", { ...RULES, ...rules })
  const take = (account: Account, nowMs: number, messages = Infinity): void => {
    for (let i = 0; i < messages && publication.nextFor(account) !== undefined; i++) account.took(1, nowMs)
    publication.settle(account)
  }
  return {
    publication,
    take,
    publish(nowMs, ...quick) {
      const out: DroppedOut<Account>[] = []
      const isAdmitted = publication.admits(10, nowMs, out)
      if (isAdmitted) {
        publication.append(new Uint8Array(10), nowMs)
        for (const account of publication.accounts) take(account, nowMs, quick.includes(account) ? Infinity : 0)
        out.push(...publication.judge(nowMs))
      }
      publication.assertInvariants()
      return { isAdmitted, out }
    },
    join(at, nowMs = 0) {
      const { first } = publication.startOf({ at } as Beginning)
      const account = new Account(first, publication.log.end, nowMs)
      publication.add(account)
      return account
    },
  }
}

test("a beginning is the newest, the last or the oldest that is kept; without any, the next", () => {
  const { publication, publish } = scene()
  for (const at of ["newest", "oldest", "last"] as const) expect(publication.startOf({ at }).first).toBe(0)
  for (let i = 0; i < 5; i++) publish(i)
  expect((["newest", "oldest", "last"] as const).map((at) => publication.startOf({ at }).first)).toEqual([5, 3, 4])
  const { publication: none, publish: publishTo } = scene({ keep: 0 })
  publishTo(0)
  expect(none.startOf({ at: "last" }).first).toBe(1)
})

test("a place resumes where the log is the same and has it; what is missed is counted, of another log not", () => {
  const { publication, publish, join } = scene()
  for (let i = 0; i < 5; i++) publish(i)
  const start = (position: number, log = "log"): unknown => publication.startOf({ at: "next", log, position })
  expect(start(3)).toEqual({ first: 3, resumed: true, missed: 0 })
  expect(start(5)).toEqual({ first: 5, resumed: true, missed: 0 })
  expect(start(1)).toEqual({ first: 3, resumed: false, missed: 2 })
  expect(start(6)).toEqual({ first: 3, resumed: false, missed: 0 })
  expect(start(4, "other")).toEqual({ first: 3, resumed: false, missed: 0 })
  // What waits for a slow one is there for others too.
  join("oldest", 5)
  publish(6)
  publish(7)
  expect(start(3)).toEqual({ first: 3, resumed: true, missed: 0 })
})

test("who drops out is behind by more messages than the lag, or for as long as it", () => {
  const { publish, join, publication, take } = scene()
  const slow = join("newest")
  const quick = join("newest")
  for (const ms of [1, 2, 3]) expect(publish(ms, quick).out).toEqual([])
  expect(publication.nextTimeoutMs).toBe(101)
  expect(publish(4, quick).out).toEqual([{ account: slow, why: "behind-by-messages" }])
  expect(publication.log.end - publication.log.begin).toBe(2)
  const late = join("newest", 10)
  publish(20, quick)
  publish(30, quick)
  take(late, 40, 1)
  expect([publication.nextTimeoutMs, publication.judge(120), publication.nextTimeoutMs]).toEqual([120, [], 130])
  expect(publication.judge(129)).toEqual([])
  expect(publication.judge(130)).toEqual([{ account: late, why: "behind-by-time" }])
  expect(publication.nextTimeoutMs).toBe(Infinity)
})

test("who catches up is judged by whether it takes anything, and by what was published since", () => {
  const { publish, join, publication, take } = scene({ keep: 10 })
  for (let i = 0; i < 10; i++) publish(0)
  const late = join("oldest", 1_000)
  expect(late.lag(publication.log.end)).toBe(0)
  expect(publication.nextTimeoutMs).toBe(1_100)
  take(late, 1_090, 1)
  expect([publication.nextTimeoutMs, publication.judge(1_100), publication.nextTimeoutMs]).toEqual([1_100, [], 1_190])
  publish(1_095)
  take(late, 1_180, 9)
  // Caught up with what was there; the message of 1,095 has waited since it could be given at all.
  expect(late.isCatchingUp).toBe(false)
  expect([publication.judge(publication.nextTimeoutMs), publication.nextTimeoutMs]).toEqual([[], 1_280])
  expect(publication.judge(1_280)).toEqual([{ account: late, why: "behind-by-time" }])
})

test("who skips loses the oldest, as many as it is too far behind, and the newest never", () => {
  const { publish, join, publication, take } = scene({ slow: "skip", keep: 0 })
  const slow = join("newest")
  for (const ms of [1, 2, 3, 4, 50]) expect(publish(ms)).toEqual({ isAdmitted: true, out: [] })
  expect([slow.next, slow.skipped, slow.untold]).toEqual([2, 2, 2])
  expect(publication.untold.has(slow)).toBe(true)
  expect(publication.nextTimeoutMs).toBe(103)
  publication.judge(104)
  expect([slow.next, slow.skipped]).toEqual([4, 4])
  publication.judge(10_000)
  expect([slow.next, publication.log.begin]).toEqual([4, 4])
  expect(publication.nextTimeoutMs).toBe(Infinity)
  take(slow, 10_000)
  expect([slow.given, slow.skipped]).toEqual([1, 4])
})

test("who skips all that is too old at once still gets the newest", () => {
  const { publish, join, publication } = scene({ slow: "skip" })
  const slow = join("newest")
  for (const ms of [1, 2, 3]) publish(ms)
  publication.judge(10_000)
  expect([slow.next, slow.skipped]).toEqual([2, 2])
})

test("who holds refuses all publishing at the lag, and nobody's publishing once it is out", () => {
  const { publish, join, publication, take } = scene({ slow: "hold" })
  const slow = join("newest")
  for (const ms of [1, 2, 3]) expect(publish(ms).isAdmitted).toBe(true)
  expect(publish(4).isAdmitted).toBe(false)
  expect(publication.hasRoomFor(10)).toBe(false)
  take(slow, 5, 1)
  expect(publication.hasRoomFor(10)).toBe(true)
  expect(publish(6).isAdmitted).toBe(true)
  expect(publish(7).isAdmitted).toBe(false)
  expect(publication.judge(102)).toEqual([{ account: slow, why: "behind-by-time" }])
  expect(publish(103).isAdmitted).toBe(true)
})

test("who catches up holds nobody up, and is out once it is too far behind", () => {
  const { publish, join } = scene({ slow: "hold", keep: 5 })
  for (let i = 0; i < 5; i++) publish(0)
  const late = join("oldest", 0)
  for (const ms of [1, 2, 3]) expect(publish(ms)).toEqual({ isAdmitted: true, out: [] })
  expect(publish(4)).toEqual({ isAdmitted: true, out: [{ account: late, why: "behind-by-messages" }] })
})

test.each(["drop-out", "skip", "hold"] as const)(
  "who takes as fast as is published catches up with more than the lag, under `%s`, however much comes meanwhile",
  (slow) => {
    const { publish, join, publication, take } = scene({ slow, keep: 50 })
    for (let i = 0; i < 50; i++) publish(0)
    const late = join("oldest", 0)
    // As fast as the publisher: it stays as far behind as it was.
    for (let ms = 1; ms <= 200; ms++) {
      expect(publish(ms)).toEqual({ isAdmitted: true, out: [] })
      take(late, ms, 1)
    }
    expect([late.given, late.skipped, late.isCatchingUp]).toEqual([200, 0, true])
    // Twice as fast, until no more waits for it than for others.
    let ms = 200
    while (late.isCatchingUp) {
      expect(publish(++ms)).toEqual({ isAdmitted: true, out: [] })
      take(late, ms, 2)
    }
    expect([publication.log.end - late.next, late.lag(publication.log.end), late.skipped]).toEqual([3, 3, 0])
    // From now on it is judged like any other.
    const { isAdmitted, out } = publish(++ms)
    expect([isAdmitted, out.length, late.skipped]).toEqual(
      { "drop-out": [true, 1, 0], skip: [true, 0, 1], hold: [false, 0, 0] }[slow],
    )
  },
)

test("who catches up more slowly than is published skips what was kept once that is more than the lag", () => {
  const { publish, join, publication, take } = scene({ slow: "skip", keep: 50 })
  for (let i = 0; i < 50; i++) publish(0)
  const late = join("oldest", 0)
  for (const ms of [1, 2, 3]) publish(ms)
  take(late, 4, 1)
  publish(5)
  expect([late.given, late.skipped, late.lag(publication.log.end)]).toEqual([1, 0, 3])
  publish(6)
  expect([publication.log.end - late.next, late.skipped, late.isCatchingUp]).toEqual([3, 51, false])
})

test("what has no room makes way: first what is kept, then who is slow, by the policy", () => {
  const room = { bytesMax: 4 * 106, lag: { messages: 100, ms: 1_000 }, keep: 2 }
  const kept = scene({ ...room, keep: 100 })
  for (let i = 0; i < 9; i++) expect(kept.publish(i).isAdmitted).toBe(true)
  expect(kept.publication.log.end - kept.publication.log.begin).toBe(4)

  const dropOut = scene(room)
  const out = dropOut.join("newest")
  for (let i = 0; i < 4; i++) dropOut.publish(i)
  expect(dropOut.publish(5).out).toEqual([{ account: out, why: "behind-by-memory" }])

  const skip = scene({ ...room, slow: "skip" })
  const slow = skip.join("newest")
  for (let i = 0; i < 6; i++) expect(skip.publish(i)).toEqual({ isAdmitted: true, out: [] })
  expect([slow.next, slow.skipped]).toEqual([2, 2])

  const hold = scene({ ...room, slow: "hold" })
  const holder = hold.join("newest")
  for (let i = 0; i < 4; i++) expect(hold.publish(i).isAdmitted).toBe(true)
  expect(hold.publish(5).isAdmitted).toBe(false)
  hold.take(holder, 6)
  expect(hold.publish(7).isAdmitted).toBe(true)
})

test("nothing is kept for who has left", () => {
  const { publish, join, publication } = scene({ keep: 0 })
  const slow = join("newest")
  publish(1)
  publish(2)
  expect(publication.log.end - publication.log.begin).toBe(2)
  publication.remove(slow)
  expect(publication.log.bytes).toBe(0)
  publication.assertInvariants()
})
