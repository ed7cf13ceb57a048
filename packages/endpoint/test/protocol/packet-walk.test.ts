import * as wire from "@x/wire"
import { expect, test } from "vitest"
import type { Association } from "../../src/path/association.ts"
import type { PeerState } from "../../src/peer/peer-state.ts"
import { PacketWalk } from "../../src/protocol/packet-walk.ts"
import type { ReceivedBatch } from "../../src/protocol/received-batch.ts"

const PROFILE = wire.PROFILE.none
const ASSOCIATION = {} as Association

/** Writes the body of a packet, and returns where it ends. */
type Write = (view: DataView, body: number) => number

/** A datagram with these packets. */
function datagram(
  ...packets: readonly (readonly [flags: number, write?: Write | undefined])[]
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(1_400)
  const writer = new wire.PacketWriter(bytes)
  writer.start(wire.PREFIX_BYTES[PROFILE]!)
  for (const [flags, write] of packets) {
    const body = writer.begin(flags)
    if (write !== undefined) writer.finish(write(writer.view, body))
  }
  return bytes.slice(0, writer.end + wire.TAG_BYTES[PROFILE]!)
}

/** A peer that tells which of its machines was given what. */
class World {
  readonly log: string[] = []
  readonly drops: string[] = []
  readonly walk = new PacketWalk(PROFILE, (reason) => void this.drops.push(reason))
  liveness: PeerState["liveness"] = "joined"
  /** Whether a path response answers something. */
  isAsked = false
  /** Packets by which anything may be due. */
  disturbing = 0
  onHandled: () => void = () => {}
  /** What each status was given of the feedback in its datagram. */
  readonly heardMs: number[] = []

  get peer(): PeerState {
    const machine = (prefix: string): object =>
      new Proxy(
        {},
        {
          get:
            (_, name) =>
            (...given: unknown[]): unknown => {
              this.log.push(`${prefix}${String(name).replace("handle", "")}`)
              if (name === "handleStatus") this.heardMs.push(given[2] as number)
              this.onHandled()
              return name === "handleFeedback" ? 17 : undefined
            },
        },
      )
    const livenessOf = (): PeerState["liveness"] => this.liveness
    const handlers = machine("") as Record<string, unknown>
    return new Proxy({} as PeerState, {
      get: (_, name) => {
        if (name === "liveness") return livenessOf()
        if (name === "disturb") return (): void => void this.disturbing++
        if (name === "claims" || name === "presence") return handlers
        if (name === "moves") return { answered: (): boolean => this.isAsked }
        return name === "incoming" || name === "outgoing" ? machine(`${name} `) : handlers[String(name)]
      },
    })
  }

  /** Takes in a datagram; returns what was done. */
  take(bytes: Uint8Array, nowMs = 0): string[] {
    const view = new DataView(bytes.buffer)
    this.walk.start({ view, bytes, offset: 0, length: bytes.length } as ReceivedBatch, this.peer, ASSOCIATION)
    while (this.walk.next(nowMs)) {}
    return this.log.splice(0)
  }
}

const why: Write = (view, body) => wire.writeReasonText(view, body, { reason: 0, text: "" })
const path: Write = (view, body) => wire.writePathData(view, body, new Uint8Array(8))
const probe: Write = (view, body) => wire.writeMtuProbe(view, body, { probe: 1, size: 1_200 })
const end: Write = (view, body) => wire.writeEnd(view, body, { stream: 1, final: 0, begun: 0 })
const reset: Write = (view, body) => wire.writeReset(view, body, { stream: 1, final: 0, begun: 0, reason: 0 })
const stop: Write = (view, body) => wire.writeStop(view, body, { stream: 1, reason: 0 })
const loose: Write = (view, body) => wire.writeFireAndForgetBody(view, body, 1, wire.FORM.whole)
const feedback: Write = (view, body) => wire.writeFeedback(view, body, wire.createFeedback())
const status: Write = (view, body) => wire.writeStatus(view, body, wire.createStatus())
const sync: Write = (view, body) => wire.writeSync(view, body, wire.createSync())
const sequenced: Write = (_, body) => body + wire.SEQUENCED_HEADER_BYTES
const open: Write = (view, body) =>
  wire.writeOpen(view, body, {
    stream: 1,
    mode: wire.MODE.reliable,
    first: 0,
    priority: 0,
    metadata: new Uint8Array(0),
  })

test.each<[keyof typeof wire.KIND, Write | undefined, string]>([
  ["sequenced", sequenced, "incoming Sequenced"],
  ["part", sequenced, "incoming Part"],
  ["fireAndForget", loose, "incoming FireAndForget"],
  ["open", open, "incoming Open"],
  ["end", end, "incoming End"],
  ["reset", reset, "incoming Reset"],
  ["sync", sync, "incoming Sync"],
  ["stop", stop, "outgoing Stop"],
  ["status", status, "outgoing Status"],
  ["feedback", feedback, "Feedback"],
  ["heartbeat", undefined, "Heartbeat"],
  ["goodbye", why, "Goodbye"],
  ["pathChallenge", path, "PathChallenge"],
])("a packet of kind %s goes to the machine that it is for, and so does the one behind it", (kind, write, done) => {
  const it = new World()
  expect(it.take(datagram([wire.KIND.pathChallenge, path], [wire.KIND[kind], write]))).toEqual(["PathChallenge", done])
  expect(it.drops).toEqual([])
})

test("by data, and by what is said of it, nothing else is due; by any other packet everything may be", () => {
  const it = new World()
  it.take(datagram([wire.KIND.sequenced, sequenced]))
  it.take(datagram([wire.KIND.feedback, feedback], [wire.KIND.status, status]))
  expect(it.disturbing).toBe(0)
  it.take(datagram([wire.KIND.stop, stop], [wire.KIND.heartbeat]))
  expect(it.disturbing).toBe(2)
})

test("a probe of the path's MTU that asks is answered; an answer that nothing waits for is dropped and counted", () => {
  const it = new World()
  expect(it.take(datagram([wire.KIND.mtuProbe | wire.FLAG_WANTED, probe]))).toEqual(["MtuProbe"])
  expect(it.drops).toEqual([])
  expect(it.take(datagram([wire.KIND.mtuProbe, probe], [wire.KIND.pathResponse, path]))).toEqual(["MtuAnswer"])
  expect(it.drops).toEqual(["unexpected", "unexpected"])
})

test("a path response that was asked for is no surprise", () => {
  const it = new World()
  it.isAsked = true
  it.take(datagram([wire.KIND.pathResponse, path]))
  expect(it.drops).toEqual([])
})

test("of a peer that is leaving only goodbyes count", () => {
  const it = new World()
  it.liveness = "leaving"
  expect(it.take(datagram([wire.KIND.stop, stop], [wire.KIND.goodbye, why], [wire.KIND.heartbeat]))).toEqual([
    "Goodbye",
  ])
})

test("what is behind a packet whose handler ends the peer is not taken in", () => {
  const it = new World()
  it.onHandled = () => (it.liveness = "left")
  expect(it.take(datagram([wire.KIND.stop, stop], [wire.KIND.heartbeat]))).toEqual(["outgoing Stop"])
  expect(it.walk.next(0)).toBe(false)
})

test("the rest of a datagram whose memory was transferred meanwhile is lost", () => {
  const it = new World()
  const bytes = datagram([wire.KIND.stop, stop], [wire.KIND.heartbeat])
  it.onHandled = () => void structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  expect(it.take(bytes)).toEqual(["outgoing Stop"])
})

test("without a datagram in hand there is no packet", () => {
  expect(new World().walk.next(0)).toBe(false)
})

test("a status is judged by the feedback in its own datagram, and by none if there is none", () => {
  const it = new World()
  it.take(datagram([wire.KIND.feedback, feedback], [wire.KIND.status, status]))
  it.take(datagram([wire.KIND.status, status]))
  expect(it.heardMs).toEqual([17, -Infinity])
})
