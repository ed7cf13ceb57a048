import { PacketPool } from "@x/stream"
import { KIND, PacketCursor, PROFILE, readMtuProbe, readPathData } from "@x/wire"
import { expect, test } from "vitest"
import { Outbox } from "../../src/datagram/outbox.ts"
import { Association } from "../../src/path/association.ts"
import { PathAnswers } from "../../src/peer/path-answers.ts"
import { Tap } from "../datagram/tap.ts"

const HERE = 1
const ELSEWHERE = 2

class World {
  readonly tap = new Tap()
  readonly answers = new PathAnswers(this.tap.transport)
  readonly #outbox: Outbox
  readonly association: Association

  constructor() {
    const pool = new PacketPool({ slotBytes: 1_472, slotsMax: 4 })
    this.#outbox = new Outbox(this.tap.transport, PROFILE.none, 1_472, pool)
    const slots = { slot: 1, remoteSlot: 1, address: HERE }
    this.association = new Association({ ...slots, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 })
  }

  /** Sends the owed answers. Returns where each datagram goes, and the answers in it. */
  say(): unknown[][] {
    const before = this.tap.sent.length
    this.answers.postResponses(this.#outbox, this.association, 0)
    this.answers.postProbeAnswers(this.#outbox, this.association, 0)
    this.#outbox.flush()
    return this.tap.sent.slice(before).map(({ bytes, address }) => [address, ...saidIn(bytes)])
  }
}

function saidIn(bytes: Uint8Array): unknown[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const cursor = new PacketCursor()
  const said: unknown[] = []
  cursor.start(view, 0, bytes.length, PROFILE.none)
  while (cursor.next()) {
    if (cursor.kind === KIND.pathResponse) said.push(readPathData(view, cursor.body)[0])
    if (cursor.kind === KIND.mtuProbe) said.push(readMtuProbe(view, cursor.body))
  }
  return said
}

const data = (i: number): Uint8Array => new Uint8Array(16).fill(i)

test("each challenge is answered once with what it carried, where it came from, of many the last four", () => {
  const it = new World()
  for (let i = 1; i <= 6; i++) it.answers.challenged(data(i), i % 2 === 0 ? HERE : ELSEWHERE)
  const answers = [
    [ELSEWHERE, 3],
    [HERE, 4],
    [ELSEWHERE, 5],
    [HERE, 6],
  ]
  expect([it.say(), it.say()]).toEqual([answers, []])
  expect([it.tap.held.get(HERE), it.tap.held.get(ELSEWHERE)]).toEqual([0, 0])
})

test("an answer is no longer than the challenge", () => {
  const it = new World()
  it.answers.challenged(data(1), ELSEWHERE)
  it.say()
  // A challenge alone in its datagram: prefix, one byte, data.
  expect(it.tap.sent.map(({ bytes }) => bytes.length)).toEqual([11 + 1 + 16])
})

test("answers to a peer that is over are forgotten, with what they hold", () => {
  const it = new World()
  it.answers.challenged(data(1), ELSEWHERE)
  it.answers.release()
  expect([it.say(), it.tap.held.get(ELSEWHERE)]).toEqual([[], 0])
})

test("the answer to a probe of the path's MTU has a datagram to itself; probes that came together are all answered", () => {
  const it = new World()
  it.answers.challenged(data(1), HERE)
  for (const size of [1_400, 1_200]) it.answers.probed({ probe: size, size })
  const answers = [
    [HERE, 1],
    [HERE, { probe: 1_400, size: 1_400 }],
    [HERE, { probe: 1_200, size: 1_200 }],
  ]
  expect([it.say(), it.say()]).toEqual([answers, []])
})

test("of very many probes the last few are answered", () => {
  const it = new World()
  for (let probe = 0; probe < 100; probe++) it.answers.probed({ probe, size: 1_400 })
  const answered = it.say()
  expect([answered.length, answered[0]]).toEqual([16, [HERE, { probe: 84, size: 1_400 }]])
})

test("what the socket has no room for is said once it has", () => {
  const it = new World()
  it.tap.room = 0
  it.answers.challenged(data(1), HERE)
  it.say()
  it.answers.challenged(data(2), HERE)
  it.answers.probed({ probe: 3, size: 1_400 })
  expect(it.say()).toEqual([])
  it.tap.room = 10
  // The first is sent, and then there is room for the others.
  it.say()
  it.say()
  expect(it.tap.sent.flatMap(({ bytes }) => saidIn(bytes))).toEqual([1, 2, { probe: 3, size: 1_400 }])
})
