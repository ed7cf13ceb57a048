import { Assembler, AssemblyBudget } from "@x/fragment"
import { PacketPool, ReceiveStream, RttEstimator, streamOptions } from "@x/stream"
import * as wire from "@x/wire"
import { expect, test } from "vitest"
import { createScratch } from "../../src/datagram/scratch.ts"
import { Dispatch } from "../../src/streams/dispatch.ts"
import { type IncomingOwner, IncomingState } from "../../src/streams/incoming-state.ts"

const MESSAGE_BYTES = 10

/** One stream whose packets are handed over, and a consumer that does what the test says. */
class World {
  /** Offers, messages and what the owner of the stream is told, in order. */
  readonly log: string[] = []
  readonly drops: string[] = []
  readonly queues = { isTight: false }
  readonly state: IncomingState
  readonly dispatch: Dispatch
  readonly #mode: wire.Mode
  /** Whether there is a place for a message of this type. */
  isWelcome: (type: number) => boolean = () => true
  /** A message is handed over. */
  onMessage: (type: number) => void = () => {}

  constructor(mode: wire.Mode = wire.MODE.reliable) {
    const note = (text: string): void => void this.log.push(text)
    const owner: IncomingOwner = {
      ...{ spreadPackets: 64, payloadBytesMax: 100 },
      report: () => note("report"),
      skip: () => note("skip"),
      abandoned: () => note("abandoned"),
      lose: () => note("lose"),
      stop: (_, reason) => note(`stop ${reason}`),
      closeIfComplete: () => {},
    }
    const options = streamOptions({ payloadBytesMax: 100, windowPackets: 8, spreadPackets: 64 })
    const pool = new PacketPool({ slotBytes: 100, slotsMax: 64 })
    const stream = new ReceiveStream({ id: 1, mode, options, rtt: new RttEstimator(), pool })
    const { isOrdered, isResent } = stream.traits
    const budget = new AssemblyBudget(100_000)
    const assembler = new Assembler({ budget, messageBytesMax: 1_000, isOrdered, isReliable: isResent })
    this.#mode = mode
    this.state = new IncomingState(owner, stream, assembler)
    stream.handleOpen(0, 0)
    const drop = (reason: string): void => void this.drops.push(reason)
    this.dispatch = new Dispatch({ scratch: createScratch(), queues: this.queues, drop })
  }

  /** A packet with small messages of these types comes; returns what is done. */
  take(number: number, ...types: number[]): string[] {
    return this.takeBytes(number, whole(types))
  }

  takeBytes(number: number, bytes: Uint8Array, form: number = wire.FORM.whole): string[] {
    const { stream } = this.state
    const verdict = stream.handlePacket(number, wire.deliveryByte(this.#mode, form), false, bytes, 0, bytes.length, 0)
    if (verdict === "deliver") {
      this.dispatch.take(this.state, new DataView(bytes.buffer), bytes, 0, bytes.length)
      this.dispatch.begin(form, number, 0)
    }
    return this.run()
  }

  /** A piece of a message of 20 bytes comes. */
  takePiece(number: number, form: number, type: number): string[] {
    return this.takeBytes(number, piece(form, type), form)
  }

  run(): string[] {
    const { dispatch } = this
    const { message } = dispatch
    while (dispatch.isBusy) {
      if (!dispatch.poll(0)) continue
      const { type } = message
      if (message.isOffer) {
        this.log.push(`offer ${type}`)
        message.isWelcome = this.isWelcome(type)
      } else {
        this.log.push(`message ${type}`)
        this.onMessage(type)
      }
    }
    return this.log.splice(0)
  }
}

function whole(types: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(types.length * (wire.wholeHeaderBytes(MESSAGE_BYTES) + MESSAGE_BYTES))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const type of types) at = wire.writeWholeHeader(view, at, type, MESSAGE_BYTES) + MESSAGE_BYTES
  return bytes
}

/** The first or last half of message 0, of 20 bytes. */
function piece(form: number, type: number): Uint8Array {
  const bytes = new Uint8Array(100)
  const view = new DataView(bytes.buffer)
  if (form === wire.FORM.abandoned) return bytes.slice(0, wire.writeAbandoned(view, 0, 0))
  const at =
    form === wire.FORM.first ? wire.writeFirstHeader(view, 0, type, 0, 20) : wire.writeLastHeader(view, 0, 0, 20)
  return bytes.slice(0, at + 10)
}

const messages = (...types: number[]): string[] => types.map((type) => `message ${type}`)

test("the messages of a packet are handed over in order, and those of packets that came early follow", () => {
  const it = new World()
  expect(it.take(2, 5)).toEqual([])
  expect(it.take(1, 3, 4)).toEqual([])
  expect(it.take(0, 1, 2)).toEqual(messages(1, 2, 3, 4, 5))
  expect([it.state.stream.cumulative, it.state.delivered, it.dispatch.isBusy]).toEqual([3, 5, false])
})

test("without an order, a packet that comes early is handed over at once", () => {
  const it = new World(wire.MODE["reliable-unordered"])
  expect([it.take(1, 2), it.take(0, 1), it.take(1, 2)]).toEqual([messages(2), messages(1), []])
})

test("the fast path hands over what polling would, and stops at the end of the packet", () => {
  const it = new World()
  const types: number[] = []
  it.onMessage = (type) => {
    types.push(type)
    while (it.dispatch.next()) types.push(it.dispatch.message.type)
  }
  it.take(1, 4)
  it.take(0, 1, 2, 3)
  expect([types, it.state.delivered]).toEqual([[1, 2, 3, 4], 4])
  expect(it.dispatch.next()).toBe(false)
})

test("where memory is short, a packet is taken only if there is a place for each of its messages", () => {
  const it = new World()
  it.queues.isTight = true
  it.isWelcome = (type) => type !== 2
  expect(it.take(0, 1, 2, 3)).toEqual(["offer 1", "offer 2"])
  expect([it.drops, it.state.stream.cumulative, it.state.delivered]).toEqual([["no-room"], 0, 0])
  it.isWelcome = () => true
  expect(it.take(0, 1, 2, 3)).toEqual(["offer 1", "offer 2", "offer 3", ...messages(1, 2, 3)])
  expect(it.state.stream.cumulative).toBe(1)
})

test("where memory is short, a large message is asked for as it begins, and again before it is complete", () => {
  const it = new World()
  it.queues.isTight = true
  expect(it.takePiece(0, wire.FORM.first, 7)).toEqual(["offer 7"])
  it.isWelcome = () => false
  expect(it.takePiece(1, wire.FORM.last, 7)).toEqual(["offer 7"])
  expect([it.drops, it.state.assembler.missingBytes, it.state.begun]).toEqual([["no-room"], 10, 1])
  it.isWelcome = () => true
  expect(it.takePiece(1, wire.FORM.last, 7)).toEqual(["offer 7", "message 7"])
})

test("the end of a message that was given up takes no place, however short memory is", () => {
  const it = new World()
  it.takePiece(0, wire.FORM.first, 7)
  it.queues.isTight = true
  expect(it.takePiece(1, wire.FORM.abandoned, 7)).toEqual(["abandoned"])
  expect([it.state.assembler.count, it.state.stream.cumulative]).toEqual([0, 2])
})

test("messages that nobody promised are not asked for, however short memory is", () => {
  const it = new World(wire.MODE["best-effort"])
  it.queues.isTight = true
  it.state.isBlocked = true
  expect(it.take(0, 1)).toEqual(messages(1))
})

test("a consumer that closes its stream gets nothing more of the packet", () => {
  const it = new World()
  it.take(1, 3)
  it.onMessage = () => it.state.stream.close()
  expect(it.take(0, 1, 2)).toEqual(messages(1))
})

test("where a consumer transfers the memory of the packet in hand, the rest of it is told as lost", () => {
  const it = new World()
  const bytes = whole([1, 2])
  it.onMessage = () => void structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  expect(it.takeBytes(0, bytes)).toEqual(["message 1", "lose"])
})

test("a consumer without room holds its stream up; what the pool kept goes on once it has room, once", () => {
  const it = new World()
  it.take(1, 2)
  it.take(2, 3)
  it.onMessage = () => (it.state.isBlocked = true)
  expect(it.take(0, 1)).toEqual(messages(1))
  expect([it.drops, it.state.stream.cumulative, it.state.stream.kept]).toEqual([["no-room"], 1, 2])
  it.onMessage = () => {}
  it.state.isBlocked = false
  it.dispatch.resume(it.state)
  it.dispatch.resume(it.state)
  expect(it.run()).toEqual(["report", ...messages(2, 3)])
  expect([it.state.stream.kept, it.state.isResumed]).toEqual([0, false])
})

test("a stream that is closed meanwhile doesn't go on", () => {
  const it = new World()
  it.dispatch.resume(it.state)
  it.state.stream.close()
  expect(it.run()).toEqual([])
})

test("a small message in the midst of a large one breaks a promise: the stream is stopped", () => {
  const it = new World()
  it.takePiece(0, wire.FORM.first, 7)
  expect(it.take(1, 1)).toEqual([`stop ${wire.REASON.protocolError}`])
  expect([it.drops, it.state.stream.cumulative]).toEqual([["piece-conflict"], 1])
})
