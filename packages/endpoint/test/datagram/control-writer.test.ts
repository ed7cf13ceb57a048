import { PacketPool } from "@x/stream"
import { createFeedback, FEEDBACK_BYTES, KIND, PROFILE, readFeedback } from "@x/wire"
import { expect, test } from "vitest"
import { CONTROL_ROOM_BYTES, ControlWriter } from "../../src/datagram/control-writer.ts"
import { Outbox } from "../../src/datagram/outbox.ts"
import { Association } from "../../src/path/association.ts"
import { Tap } from "./tap.ts"

test("feedback lists as much of what is missing as leaves room for the largest packet beside it", () => {
  const tap = new Tap()
  const outbox = new Outbox(tap.transport, PROFILE.none, 1_200, new PacketPool({ slotBytes: 1_200, slotsMax: 4 }))
  const control = new ControlWriter(outbox)
  const parts = { slot: 5, remoteSlot: 7, address: 1, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 }
  const association = new Association(parts)
  for (let counter = 1; counter <= 199; counter += 2)
    association.received({ counter, epoch: 0, length: 100, mark: 0, nonce: 0 }, 0)
  // Each range that is listed takes two bytes.
  for (const [leftBytes, ranges] of [
    [0, 0],
    [3, 0],
    [4, 1],
    [100, 49],
    [400, 64],
  ] as const) {
    control.start(association, 548, 0)
    const { bodyBytesMax } = control
    const body = control.begin(KIND.open, bodyBytesMax - leftBytes)
    control.finish(body + bodyBytesMax - leftBytes)
    control.post()
    outbox.flush()
    const bytes = tap.sent.at(-1)!.bytes
    const view = new DataView(bytes.buffer)
    const feedback = createFeedback()
    const end = 14 + view.getUint16(12, true)
    readFeedback(view, 14, end, feedback)
    expect([feedback.missing.count, bytes.length <= 548]).toEqual([ranges, true])
    // It reaches as far as it lists what is missing.
    expect(feedback.reach).toBe(2 * ranges)
  }
  expect(tap.sent.length).toBe(5)
})

test("control packets go to an address that isn't proved as long as there is room, and no further", () => {
  const tap = new Tap()
  const outbox = new Outbox(tap.transport, PROFILE.none, 1_200, new PacketPool({ slotBytes: 1_200, slotsMax: 4 }))
  const control = new ControlWriter(outbox)
  const association = new Association({
    ...{ slot: 5, remoteSlot: 7, address: 1, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 },
    addresses: { mayFollow: true, draw: () => new Uint8Array(16), retain: () => {}, release: () => {} },
  })
  association.addresses.heard({ source: 2, bytes: 60, isNewest: true, beforeMs: 0 }, 50, 0)
  control.start(association, 1_200, 0)
  let said = 0
  for (; control.hasRoom(); said++) {
    expect(association.roomBytes).toBeGreaterThanOrEqual(CONTROL_ROOM_BYTES)
    control.begin(KIND.heartbeat, 0)
    control.post()
  }
  outbox.flush()
  // Prefix, feedback and heartbeat.
  const bytes = 11 + 3 + FEEDBACK_BYTES + 1
  expect([said, tap.sent.map((it) => [it.bytes.length, it.address])]).toEqual([
    2,
    [
      [bytes, 2],
      [bytes, 2],
    ],
  ])
})
