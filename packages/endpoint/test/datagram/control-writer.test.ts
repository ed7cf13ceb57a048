import { PacketPool } from "@x/stream"
import { FEEDBACK_BYTES, KIND, PROFILE } from "@x/wire"
import { expect, test } from "vitest"
import { CONTROL_ROOM_BYTES, ControlWriter } from "../../src/datagram/control-writer.ts"
import { Outbox } from "../../src/datagram/outbox.ts"
import { Association } from "../../src/path/association.ts"
import { Tap } from "./tap.ts"

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
