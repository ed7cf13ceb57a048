// Who is given what, and how: with streams and a fan-out that are made up, whose room the test decides.
import type { FanOut, OutgoingStream, SendResult } from "@x/endpoint"
import fc from "fast-check"
import { expect, test } from "vitest"
import { runs } from "../../../../tools/testkit/src/runs.ts"
import type { ControlLine } from "../../src/control-line.ts"
import { MessageLog } from "../../src/log/log.ts"
import { Giving } from "../../src/publish/giving.ts"
import { Member } from "../../src/publish/member.ts"
import { Publication } from "../../src/publish/publication.ts"

/** A stream that takes as many messages as it has room for, and notes which, and whether by themselves. */
class MadeUpStream {
  room = Infinity
  /** Whether it parks what it has no room for. */
  parks = false
  fails: SendResult | undefined
  readonly taken: number[] = []
  byItself = 0

  trySend(_type: number, entry: Uint8Array): SendResult {
    if (this.fails !== undefined) return this.fails
    if (this.room <= 0 && !this.parks) return "refused"
    this.byItself++
    this.take(entry[0]!)
    return this.room < 0 ? "parked" : "sent"
  }

  take(message: number): void {
    this.room--
    this.taken.push(message)
  }
}

const asStream = (stream: MadeUpStream): OutgoingStream => stream as unknown as OutgoingStream

/** Packets of this many messages; streams without room take no part. */
class MadeUpFanOut implements FanOut {
  readonly streams = new Set<MadeUpStream>()
  next = 0
  low = 0
  readonly #skipped = new Set<number>()
  readonly #perPacket: number

  constructor(perPacket: number) {
    this.#perPacket = perPacket
  }

  get size(): number {
    return this.streams.size
  }

  add(stream: OutgoingStream): void {
    this.streams.add(stream as unknown as MadeUpStream)
  }

  delete(stream: OutgoingStream): boolean {
    return this.streams.delete(stream as unknown as MadeUpStream)
  }

  trySend(): readonly OutgoingStream[] {
    const apart: OutgoingStream[] = []
    for (const stream of this.streams)
      if (stream.room > 0 && stream.fails === undefined) stream.take(this.next)
      else apart.push(asStream(stream))
    this.next++
    return apart
  }

  skip(): void {
    this.#skipped.add(this.next++)
  }

  give(stream: OutgoingStream, message: number): number {
    const { room, fails } = stream as unknown as MadeUpStream
    const end = Math.min(this.next, message + this.#perPacket)
    for (let i = message; i < end; i++) if (this.#skipped.has(i)) return 0
    if (fails !== undefined || message < this.low || message % this.#perPacket !== 0 || message >= end) return 0
    if (room < end - message) return -1
    for (let i = message; i < end; i++) (stream as unknown as MadeUpStream).take(i)
    return end - message
  }

  release(message: number): void {
    this.low = message
  }

  close(): void {}
}

interface Scene {
  readonly giving: Giving
  readonly publication: Publication<Member>
  readonly fanOut: MadeUpFanOut
  join(): { member: Member; stream: MadeUpStream }
  publish(): ReturnType<Giving["publish"]>
  /** The stream of a member has drained, and has this much room. */
  drain(member: { member: Member; stream: MadeUpStream }, room: number): void
}

function scene({ perPacket = 1_000, isShared = true, lag = 1_000, messagesMax = 1_000 } = {}): Scene {
  const bytesMax = messagesMax * new MessageLog().cost(1)
  const rules = { slow: "skip", lag: { messages: lag, ms: Infinity }, keep: 0, bytesMax } as const
  const publication = new Publication<Member>(new MessageLog(), "log", rules)
  const fanOut = new MadeUpFanOut(perPacket)
  const giving = new Giving({ publication, fanOut, entryType: 7, isShared })
  const settle = <T>(unable: T): T => {
    publication.judge(0)
    giving.release()
    return unable
  }
  return {
    giving,
    publication,
    fanOut,
    join() {
      const stream = new MadeUpStream()
      const start = publication.startOf({ at: "newest" })
      const member = new Member(0, {} as ControlLine, asStream(stream), start, publication.log.end, 0)
      publication.add(member)
      giving.add(member)
      return { member, stream }
    },
    publish() {
      publication.admits(1, 0, [])
      return settle(giving.publish(Uint8Array.of(publication.log.end), 0))
    },
    drain({ member, stream }, room) {
      stream.room = room
      member.isBlocked = false
      settle(giving.give([member], 0))
    },
  }
}

test("who has everything is given each message with the others, and nothing by itself", () => {
  const { join, publish, giving } = scene()
  const streams = [join(), join(), join()].map(({ stream }) => stream)
  for (let i = 0; i < 3; i++) publish()
  expect(streams.map(({ taken, byItself }) => [taken, byItself])).toEqual(streams.map(() => [[0, 1, 2], 0]))
  giving.assertInvariants()
})

test("who has no room isn't looked at until it drains, and doesn't keep the others from theirs", () => {
  const { join, publish, drain, giving, fanOut } = scene()
  const [slow, quick] = [join(), join()]
  publish()
  slow.stream.room = 0
  for (let i = 0; i < 3; i++) publish()
  expect([slow.stream.taken, quick.stream.taken]).toEqual([[0], [0, 1, 2, 3]])
  expect([fanOut.size, slow.member.isBlocked]).toEqual([1, true])
  slow.stream.room = Infinity
  publish()
  expect(slow.stream.taken).toEqual([0])
  drain(slow, Infinity)
  expect([slow.stream.taken, fanOut.size]).toEqual([[0, 1, 2, 3, 4], 2])
  giving.assertInvariants()
})

test("a stream that parks a message wants no more, and isn't offered the next", () => {
  const { join, publish } = scene({ isShared: false })
  const { member, stream } = join()
  Object.assign(stream, { room: 0, parks: true })
  for (let i = 0; i < 3; i++) publish()
  expect([stream.taken, member.isBlocked]).toEqual([[0], true])
})

test("who skips all that there was, to make room, is behind by the next message alone", () => {
  const { join, publish, drain, giving, publication } = scene({ messagesMax: 1 })
  const one = join()
  one.stream.room = 0
  publish()
  publish()
  expect([one.member.skipped, [...publication.behind]]).toEqual([1, [one.member]])
  giving.assertInvariants()
  drain(one, Infinity)
  expect(one.stream.taken).toEqual([1])
})

test.each([
  ["too-large", "message-too-large"],
  ["closed", "stream-closed"],
  ["not-joined", "peer-left"],
] as const)("a stream that answers %s: its member can't go on, %s", (fails, why) => {
  const { join, publish } = scene()
  const [bad, good] = [join(), join()]
  publish()
  bad.stream.fails = fails
  expect(publish()).toEqual([{ member: bad.member, why }])
  expect(good.stream.taken).toEqual([0, 1])
})

test("streams that give messages up each get their own", () => {
  const { join, publish, fanOut } = scene({ isShared: false })
  const { stream } = join()
  for (let i = 0; i < 3; i++) publish()
  expect([stream.taken, stream.byItself, fanOut.size, fanOut.next]).toEqual([[0, 1, 2], 3, 0, 3])
})

test("however members come, stall, go on and leave, each has all that it doesn't skip, once and in order", () => {
  const step = fc.record({
    what: fc.constantFrom("publish", "publish", "publish", "join", "stall", "drain", "leave"),
    who: fc.nat(4),
    room: fc.nat(6),
  })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 80 }),
      fc.record({
        perPacket: fc.integer({ min: 1, max: 5 }),
        isShared: fc.boolean(),
        lag: fc.integer({ min: 1, max: 9 }),
        messagesMax: fc.integer({ min: 1, max: 9 }),
      }),
      (steps, shape) => {
        const { giving, publication, join, publish, drain } = scene(shape)
        const members: ReturnType<typeof join>[] = []
        for (const { what, who, room } of steps) {
          const one = members[who % Math.max(1, members.length)]
          if (what === "publish") publish()
          else if (what === "join") members.push(join())
          else if (one === undefined) continue
          else if (what === "stall") one.stream.room = Math.min(one.stream.room, room)
          else if (what === "drain") drain(one, room)
          else {
            one.member.isOut = true
            publication.remove(one.member)
            giving.delete(one.member)
            members.splice(members.indexOf(one), 1)
          }
          publication.untold.clear()
          giving.assertInvariants()
          publication.assertInvariants()
        }
        for (const one of members) drain(one, Infinity)
        for (const { member, stream } of members) {
          expect([member.next, member.given]).toEqual([publication.log.end, stream.taken.length])
          expect(stream.taken.every((message, i) => i === 0 || message > stream.taken[i - 1]!)).toBe(true)
          expect(member.given + member.skipped).toBe(publication.log.end - member.first)
        }
      },
    ),
    { numRuns: runs(200) },
  )
})
