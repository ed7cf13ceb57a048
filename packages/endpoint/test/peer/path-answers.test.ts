import { PacketPool } from "@x/stream"
import { KIND, PacketCursor, PROFILE, readMtuProbe, readPathData } from "@x/wire"
import { expect, test } from "vitest"
import { ControlWriter } from "../../src/datagram/control-writer.ts"
import { Outbox } from "../../src/datagram/outbox.ts"
import { Association } from "../../src/path/association.ts"
import { PathAnswers } from "../../src/peer/path-answers.ts"
import { Tap } from "../datagram/tap.ts"

class World {
  readonly tap = new Tap()
  readonly answers = new PathAnswers()
  readonly #outbox: Outbox
  readonly #control: ControlWriter
  readonly #association: Association

  constructor() {
    const pool = new PacketPool({ slotBytes: 1_472, slotsMax: 4 })
    this.#outbox = new Outbox(this.tap.transport, PROFILE.none, 1_472, pool)
    this.#control = new ControlWriter(this.#outbox)
    const slots = { slot: 1, remoteSlot: 1, address: 1 }
    this.#association = new Association({ ...slots, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 })
  }

  /** Sends the owed answers. Returns the answers in each datagram. */
  say(): unknown[][] {
    const before = this.tap.sent.length
    this.#control.start(this.#association, 1_400, 0)
    this.answers.compose(this.#control)
    this.#control.post()
    this.answers.postProbeAnswer(this.#outbox, this.#association, 0)
    this.#outbox.flush()
    return this.tap.sent.slice(before).map(({ bytes }) => saidIn(bytes))
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

test("each challenge is answered once with what it carried, of many the last four", () => {
  const world = new World()
  for (let i = 1; i <= 6; i++) world.answers.challenged(new Uint8Array(8).fill(i))
  expect([world.say(), world.say()]).toEqual([[[3, 4, 5, 6]], []])
})

test("the answer to a probe of the path's MTU has a datagram to itself; of several the last is answered", () => {
  const world = new World()
  world.answers.challenged(new Uint8Array(8).fill(1))
  for (const probe of [1, 2]) world.answers.probed({ probe, size: 1_400 })
  expect([world.say(), world.say()]).toEqual([[[1], [{ probe: 2, size: 1_400 }]], []])
})

test("what the socket has no room for is said once it has", () => {
  const world = new World()
  world.tap.room = 0
  world.answers.challenged(new Uint8Array(8).fill(1))
  world.say()
  world.answers.challenged(new Uint8Array(8).fill(2))
  world.answers.probed({ probe: 3, size: 1_400 })
  expect(world.say()).toEqual([])
  world.tap.room = 10
  // The first is sent, and then there is room for the others.
  world.say()
  world.say()
  expect(world.tap.sent.flatMap(({ bytes }) => saidIn(bytes))).toEqual([1, 2, { probe: 3, size: 1_400 }])
})
