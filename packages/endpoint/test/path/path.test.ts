import { fixed } from "@x/endpoint"
import { RttEstimator } from "@x/stream"
import { createFeedback } from "@x/wire"
import { expect, test } from "vitest"
import { settingsOf } from "../../src/api/options.ts"
import type { CongestionController } from "../../src/congestion/controller.ts"
import { Association } from "../../src/path/association.ts"
import { Path } from "../../src/path/path.ts"
import { createDeliverySample } from "../../src/congestion/controller.ts"
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
  return {
    path: new Path({
      settings,
      limits: LIMITS,
      timerMs: 1,
      rtt: new RttEstimator(10),
      random: () => 0,
      hasMarks: () => false,
      isLocal: () => false,
    }),
    told,
  }
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
  path.endTurn(false, false, nowMs)
}

test("a controller is told of another size of datagram, once", () => {
  const { path, told } = makePath()
  path.use(associationAt(1), 0)
  turn(path, 0, 1_200)
  const probe = path.mtu.poll(100, 0)!
  expect([path.handleMtuAnswer(probe, 1), path.handleMtuAnswer(probe, 1)]).toEqual([true, false])
  expect([path.resize(), path.resize()]).toEqual([true, false])
  expect([path.limit(1_300, 2), path.limit(1_300, 2), path.show(1_472, 2)]).toEqual([true, false, false])
  expect(told).toEqual(["size 1472", "size 1200"])
})

test("on another path the size of datagrams is found anew", () => {
  const { path } = makePath()
  path.use(associationAt(1), 0)
  turn(path, 0, 1_200)
  path.handleMtuAnswer(path.mtu.poll(100, 0)!, 1)
  path.resize()
  path.use(associationAt(1), 2)
  expect([path.resize(), path.size.datagramBytesMax]).toEqual([false, 1_472])
  path.use(associationAt(2), 2)
  expect([path.resize(), path.size.datagramBytesMax]).toEqual([true, 1_200])
})

test("a probe that is lost is no loss to the controller, and one that came isn't counted twice", () => {
  const { path } = makePath()
  const association = associationAt(1)
  path.use(association, 0)
  const { sent } = association
  const sample = createDeliverySample()
  let nowMs = 0
  const send = (bytes: number): void => void association.takeCounter(bytes, true, nowMs)
  const hear = (counter: number, missing: readonly number[]): number => {
    nowMs += 1_000
    const feedback = Object.assign(createFeedback(), { counter, datagrams: counter, reach: counter - 1 })
    for (const lost of missing) {
      feedback.missing.edges[2 * feedback.missing.count] = lost
      feedback.missing.edges[2 * feedback.missing.count++ + 1] = lost + 1
    }
    path.handleFeedback(feedback, association, sample, nowMs)
    return sample.lostBytes
  }
  send(1_000)
  association.takeCounter(1_472, false, nowMs)
  sent.excuse(1_472)
  send(1_000)
  const first = hear(3, [2])
  send(1_000)
  expect([first, hear(4, [2])]).toEqual([0, 0])
  expect([sent.heardDatagramBytes, sent.deliveredBytes]).toEqual([1_000, 3_000])
  // Another one comes, and then data is lost.
  association.takeCounter(1_472, false, nowMs)
  sent.excuse(1_472)
  sent.retract(1_472)
  send(1_000)
  send(1_000)
  const lost: number[] = []
  for (const newest of [7, 8, 9]) {
    lost.push(hear(newest, [6, 2]))
    send(1_000)
  }
  expect(Math.max(...lost)).toBe(1_000)
})

test("feedback that was held longer than the peer announced doesn't make the round trip look shorter", () => {
  const { path } = makePath()
  const association = associationAt(1)
  path.use(association, 0)
  const sample = createDeliverySample()
  /** A datagram goes, and its feedback comes after 100 ms, of which the peer says that it held it for so many. */
  const hear = (holdMs: number): number[] => {
    const counter = association.takeCounter(1_000, true, 1_000 * association.nextCounter)
    const feedback = { ...createFeedback(), counter, holdUs: 1_000 * holdMs }
    path.handleFeedback(feedback, association, sample, 1_000 * counter + 100)
    return [sample.rttMs, path.rtt.samples]
  }
  const mostMs = LIMITS.statusDelayMs + 25
  // Nothing is known of the path yet.
  expect(hear(mostMs + 1)).toEqual([-1, 0])
  expect(hear(20)).toEqual([80, 1])
  expect(hear(mostMs)).toEqual([100 - mostMs, 2])
  expect(hear(mostMs + 1)).toEqual([100 - mostMs, 3])
  expect(hear(4_000_000)).toEqual([100 - mostMs, 4])
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

test("marks are tested at the beginning, on a new path and over other sockets, where both the sockets and the controller can", () => {
  const settings = settingsOf({})
  let hasMarks = true
  const path = new Path({
    ...{ settings, limits: LIMITS, timerMs: 1, rtt: new RttEstimator(10), random: () => 0 },
    hasMarks: () => hasMarks,
    isLocal: () => false,
  })
  const [first, second] = [associationAt(1), associationAt(2)]
  path.use(first, 0)
  expect([first.ecn.state, second.ecn.state]).toEqual(["testing", "off"])
  first.takeCounter(1_000, true, 0)
  path.renew(0, 0)
  expect(first.ecn.state).toBe("waiting")
  hasMarks = false
  path.renew(0, 0)
  expect(first.ecn.state).toBe("off")
  hasMarks = true
  path.use(second, 0)
  expect(second.ecn.state).toBe("testing")
  // The same association again changes nothing.
  second.takeCounter(1_000, true, 0)
  path.use(second, 0)
  expect(second.ecn.state).toBe("testing")
  const { path: other } = makePath()
  other.use(first, 0)
  expect(first.ecn.state).toBe("off")
})

test("to this machine the largest datagram is probed at once, whatever is sent; to another, what usual paths carry, and late", () => {
  for (const isLocal of [true, false]) {
    const settings = { ...settingsOf({}), congestion: fixed() }
    const limits = { ...LIMITS, datagramBytes: 65_507 }
    const parts = { hasMarks: () => false, settings, limits, timerMs: 1, rtt: new RttEstimator(10), random: () => 0 }
    const path = new Path({ ...parts, isLocal: (address) => isLocal && address === 1 })
    path.use(associationAt(1), 0)
    expect(path.mtu.poll(100, 0)?.size).toBe(isLocal ? 65_507 : undefined)
    path.use(associationAt(2), 1)
    expect(path.mtu.poll(100, 1)?.size).toBe(undefined)
    turn(path, 1, 1_200)
    expect(path.mtu.poll(100, 1)?.size).toBe(1_452)
  }
})
