import { fixed } from "@x/endpoint"
import { RttEstimator } from "@x/stream"
import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import type { CongestionController } from "../../src/congestion/controller.ts"
import { Association } from "../../src/path/association.ts"
import { Path } from "../../src/path/path.ts"
import { LIMITS } from "../peer/limits.ts"

/** A path whose controller records the calls that it gets. */
function makePath(): { path: Path; told: string[] } {
  const told: string[] = []
  const congestion = (datagramBytes: number): CongestionController => ({
    ...fixed({ windowBytes: 100_000, paceBytesPerMs: Infinity })(datagramBytes, Math.random),
    ...{ windowBytes: 100_000, paceBytesPerMs: Infinity, onSent: () => {}, onFeedback: () => {} },
    onDatagramBytes: (bytes) => void told.push(`size ${bytes}`),
    onIdle: (sinceMs, nowMs) => void told.push(`idle ${sinceMs} to ${nowMs}`),
    onPathChange: (nowMs) => void told.push(`path ${nowMs}`),
  })
  const settings = { ...settingsOf({ datagramBytes: 1_472 }), congestion }
  return { path: new Path({ settings, limits: LIMITS, timerMs: 1, rtt: new RttEstimator(10), random: () => 0 }), told }
}

function associationAt(address: number): Association {
  return new Association({ slot: 1, remoteSlot: 1, address, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 })
}

/** A turn in which a datagram is sent, or none. */
function turn(path: Path, nowMs: number, bytes: number): void {
  const { gate, association } = path
  const { sent } = association!
  gate.begin(sent, nowMs)
  if (bytes > 0 && gate.mayGo(bytes)) gate.spend(bytes)
  gate.end(false, false)
}

test("a controller is told of a smaller datagram, once", () => {
  const { path, told } = makePath()
  path.limit(1_300)
  path.limit(1_300)
  path.show(1_472)
  expect(told).toEqual([`size ${path.size.datagramBytesMax}`])
})

test("a controller is told when something goes after a pause of more than a PTO, and not of the pause itself", () => {
  const { path, told } = makePath()
  path.use(associationAt(1), 0)
  turn(path, 1_000, 500)
  turn(path, 1_000 + path.rtt.ptoMs, 500)
  turn(path, 5_000, 0)
  expect(told).toEqual([])
  turn(path, 9_000, 500)
  turn(path, 9_001, 500)
  expect(told).toEqual([`idle ${1_000 + path.rtt.ptoMs} to 9000`])
})

test("a controller is told when datagrams go to another address, and not of a new association with the same one", () => {
  const { path, told } = makePath()
  const [first, second, third] = [associationAt(1), associationAt(1), associationAt(2)]
  expect([path.use(first, 10), path.use(second, 20), path.use(third, 30)]).toEqual([undefined, first, second])
  expect([told, path.association]).toEqual([["path 30"], third])
})
